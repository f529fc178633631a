/* Client: am_client for Python. Its life, and the calls that give units.
 *
 * Each method is one call of agentmem.h. Invariant: am_close happens once, after the last view and the last
 * call that runs.
 */
#include "agentmem.h"

bool client_ready(struct client_object *self)
{
    if (!self->closed && self->client != NULL)
        return true;
    raise_status(am_client_fail(AM_EBROKER, "the store is closed; connect again"));
    return false;
}

void client_rest(struct client_object *self)
{
    if (!self->closed || self->busy > 0 || self->units != NULL || self->client == NULL)
        return;
    am_close(self->client);
    self->client = NULL;
}

static PyObject *client_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    static char *names[] = {"socket", "realm", "agent", "importance", "durable", "pid", "timeout_ms", NULL};
    am_options options;
    am_options_default(&options);
    int durable = 0, pid = 0, status;
    unsigned int timeout = 0, importance = 50;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "|zzzIpiI", names, &options.socket, &options.realm,
                                     &options.agent, &importance, &durable, &pid, &timeout))
        return NULL;
    options.durable = durable != 0;
    options.importance = importance;
    options.pid = pid;
    options.timeout_ms = timeout;
    struct client_object *self = (struct client_object *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    am_client *client = NULL;
    Py_BEGIN_ALLOW_THREADS status = am_connect(&options, &client);
    Py_END_ALLOW_THREADS self->client = client;
    if (status == 0)
        return (PyObject *)self;
    Py_DECREF(self);
    return raise_status(status);
}

static void client_dealloc(struct client_object *self)
{
    am_close(self->client); /* no unit and no call is left: each holds a reference to this object */
    Py_TYPE(self)->tp_free(self);
}

static PyObject *client_close(struct client_object *self, PyObject *nothing)
{
    (void)nothing;
    self->closed = true;
    for (struct unit_object *unit = self->units, *after; unit != NULL; unit = after) {
        after = unit->after;
        unit_let_go(unit);
    }
    client_rest(self);
    Py_RETURN_NONE;
}

static PyObject *client_acquire(struct client_object *self, PyObject *name)
{
    am_id id;
    am_unit unit;
    if (!take_id(name, &id) || !client_ready(self))
        return NULL;
    if (!am_acquire_hot(self->client, &id, &unit)) {
        int status;
        self->busy++; /* until the unit stands in the list */
        CALL(self, status, am_acquire_asking(self->client, &id, &unit));
        self->busy--;
        if (status != 0) {
            client_rest(self);
            return raise_status(status);
        }
    }
    return unit_new(self, &unit);
}

static bool take_content(PyObject *const *arguments, Py_ssize_t wanted, Py_ssize_t count, int *type,
                         Py_buffer *data, unsigned long *flags)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments where %zd are due", count, wanted);
        return false;
    }
    long value = PyLong_AsLong(arguments[0]);
    *flags = PyLong_AsUnsignedLong(arguments[2]);
    *type = value < 0 || value > 255 ? 0 : (int)value;
    return !PyErr_Occurred() && PyObject_GetBuffer(arguments[1], data, PyBUF_SIMPLE) == 0;
}

/* publish(type, data, flags), and rope(type, pieces, flags) */
static PyObject *publish(struct client_object *self, PyObject *const *arguments, Py_ssize_t count, bool rope)
{
    int type, status;
    unsigned long flags;
    Py_buffer data;
    am_unit unit;
    if (!client_ready(self) || !take_content(arguments, 3, count, &type, &data, &flags))
        return NULL;
    if (rope && data.len % (Py_ssize_t)sizeof(am_piece) != 0) {
        PyBuffer_Release(&data);
        PyErr_SetString(PyExc_ValueError, "pieces have 64 bytes each");
        return NULL;
    }
    self->busy++;
    CALL(self, status,
         rope ? am_rope(self->client, type, data.buf, (size_t)data.len / sizeof(am_piece), (uint32_t)flags,
                        &unit)
              : am_publish(self->client, type, data.buf, (uint64_t)data.len, (uint32_t)flags, &unit));
    self->busy--;
    PyBuffer_Release(&data);
    if (status != 0) {
        client_rest(self);
        return raise_status(status);
    }
    return unit_new(self, &unit);
}

static PyObject *client_publish(struct client_object *self, PyObject *const *arguments, Py_ssize_t count)
{
    return publish(self, arguments, count, false);
}

static PyObject *client_rope(struct client_object *self, PyObject *const *arguments, Py_ssize_t count)
{
    return publish(self, arguments, count, true);
}

static PyObject *client_identify(struct client_object *self, PyObject *const *arguments, Py_ssize_t count)
{
    int type, status;
    unsigned long space;
    Py_buffer data;
    am_id id;
    if (!client_ready(self) || !take_content(arguments, 3, count, &type, &data, &space))
        return NULL;
    CALL(self, status, am_identify(self->client, type, data.buf, (uint64_t)data.len, space != 0, &id));
    PyBuffer_Release(&data);
    return status != 0 ? raise_status(status) : id_bytes(&id);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)client_acquire, METH_O, NULL},
    {"publish", (PyCFunction)(void (*)(void))client_publish, METH_FASTCALL, NULL},
    {"rope", (PyCFunction)(void (*)(void))client_rope, METH_FASTCALL, NULL},
    {"identify", (PyCFunction)(void (*)(void))client_identify, METH_FASTCALL, NULL},
    {"own", (PyCFunction)client_own, METH_O, NULL},
    {"disown", (PyCFunction)client_disown, METH_O, NULL},
    {"mark", (PyCFunction)client_mark, METH_VARARGS, NULL},
    {"heat", (PyCFunction)client_heat, METH_O, NULL},
    {"share", (PyCFunction)client_share, METH_VARARGS, NULL},
    {"head_set", (PyCFunction)client_head_set, METH_VARARGS, NULL},
    {"head_get", (PyCFunction)client_head_get, METH_O, NULL},
    {"agent_state", (PyCFunction)client_agent_state, METH_VARARGS, NULL},
    {"agent_importance", (PyCFunction)client_agent_importance, METH_VARARGS, NULL},
    {"agent_forget", (PyCFunction)client_agent_forget, METH_VARARGS, NULL},
    {"stats", (PyCFunction)client_stats, METH_NOARGS, NULL},
    {"agents", (PyCFunction)client_agents, METH_NOARGS, NULL},
    {"inventory", (PyCFunction)client_inventory, METH_NOARGS, NULL},
    {"name", (PyCFunction)client_name, METH_VARARGS, NULL},
    {"conversation", conversation_open, METH_O, NULL},
    {"reconnect", (PyCFunction)client_reconnect, METH_NOARGS, NULL},
    {"close", (PyCFunction)client_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject client_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nexus._agentmem.Client",
    .tp_basicsize = sizeof(struct client_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = client_new,
    .tp_dealloc = (destructor)client_dealloc,
    .tp_methods = methods,
};
