/* The calls of a Client that give no unit: ownership, importance, heads, agents, figures. Each is one of
 * agentmem.h. */
#include "agentmem.h"

#include "blake3.h"

static PyObject *done(int status)
{
    if (status != 0)
        return raise_status(status);
    Py_RETURN_NONE;
}

PyObject *client_own(struct client_object *self, PyObject *name)
{
    am_id id;
    int status;
    if (!take_id(name, &id) || !client_ready(self))
        return NULL;
    CALL(self, status, am_own(self->client, &id));
    return done(status);
}

PyObject *client_disown(struct client_object *self, PyObject *name)
{
    am_id id;
    int status;
    if (!take_id(name, &id) || !client_ready(self))
        return NULL;
    CALL(self, status, am_disown(self->client, &id));
    return done(status);
}

PyObject *client_mark(struct client_object *self, PyObject *arguments)
{
    PyObject *name;
    unsigned int importance;
    am_id id;
    int status;
    if (!PyArg_ParseTuple(arguments, "OI", &name, &importance) || !take_id(name, &id) || !client_ready(self))
        return NULL;
    CALL(self, status, am_mark(self->client, &id, importance));
    return done(status);
}

PyObject *client_heat(struct client_object *self, PyObject *names)
{
    PyObject *list = PySequence_Fast(names, "heat takes a sequence of ids");
    if (list == NULL || !client_ready(self)) {
        Py_XDECREF(list);
        return NULL;
    }
    size_t count = (size_t)PySequence_Fast_GET_SIZE(list), n = 0;
    am_id *ids = PyMem_Calloc(count + 1, sizeof *ids);
    const am_id **places = PyMem_Calloc(count + 1, sizeof *places);
    int status = 0;
    while (ids != NULL && places != NULL && n < count
           && take_id(PySequence_Fast_GET_ITEM(list, (Py_ssize_t)n), &ids[n])) {
        places[n] = &ids[n];
        n++;
    }
    if (ids == NULL || places == NULL)
        PyErr_NoMemory();
    else if (n == count)
        CALL(self, status, am_mark_hot(self->client, places, count));
    PyMem_Free(ids);
    PyMem_Free((void *)places);
    Py_DECREF(list);
    return PyErr_Occurred() ? NULL : done(status);
}

PyObject *client_share(struct client_object *self, PyObject *arguments)
{
    PyObject *name;
    const char *agent;
    am_id id, shared;
    int status;
    if (!PyArg_ParseTuple(arguments, "Oz", &name, &agent) || !take_id(name, &id) || !client_ready(self))
        return NULL;
    CALL(self, status, am_share(self->client, &id, agent, &shared));
    return status != 0 ? raise_status(status) : id_bytes(&shared);
}

PyObject *client_head_set(struct client_object *self, PyObject *arguments)
{
    const char *head;
    PyObject *name;
    am_id id;
    int status;
    if (!PyArg_ParseTuple(arguments, "sO", &head, &name) || (name != Py_None && !take_id(name, &id))
        || !client_ready(self))
        return NULL;
    CALL(self, status, am_head_set(self->client, head, name == Py_None ? NULL : &id));
    return done(status);
}

PyObject *client_head_get(struct client_object *self, PyObject *name)
{
    const char *head = PyUnicode_AsUTF8(name);
    am_id id;
    int status;
    if (head == NULL || !client_ready(self))
        return NULL;
    CALL(self, status, am_head_get(self->client, head, &id));
    return status != 0 ? raise_status(status) : id_bytes(&id);
}

PyObject *client_agent_state(struct client_object *self, PyObject *arguments)
{
    const char *agent;
    int state, status;
    if (!PyArg_ParseTuple(arguments, "zi", &agent, &state) || !client_ready(self))
        return NULL;
    CALL(self, status, am_agent_state(self->client, agent, state));
    return done(status);
}

PyObject *client_agent_importance(struct client_object *self, PyObject *arguments)
{
    const char *agent;
    unsigned int importance;
    int status;
    if (!PyArg_ParseTuple(arguments, "zI", &agent, &importance) || !client_ready(self))
        return NULL;
    CALL(self, status, am_agent_importance(self->client, agent, importance));
    return done(status);
}

PyObject *client_agent_forget(struct client_object *self, PyObject *arguments)
{
    const char *agent;
    int status;
    if (!PyArg_ParseTuple(arguments, "z", &agent) || !client_ready(self))
        return NULL;
    CALL(self, status, am_agent_forget(self->client, agent));
    return done(status);
}

static PyObject *text(struct client_object *self, int (*asked)(am_client *, char **))
{
    char *json = NULL;
    int status;
    if (!client_ready(self))
        return NULL;
    CALL(self, status, asked(self->client, &json));
    if (status != 0)
        return raise_status(status);
    PyObject *value = PyUnicode_FromString(json);
    free(json);
    return value;
}

PyObject *client_stats(struct client_object *self, PyObject *nothing)
{
    (void)nothing;
    return text(self, am_stats);
}

PyObject *client_agents(struct client_object *self, PyObject *nothing)
{
    (void)nothing;
    return text(self, am_agents);
}

PyObject *client_inventory(struct client_object *self, PyObject *nothing)
{
    (void)nothing;
    return text(self, am_inventory);
}

/* name(type, form, data, private): the id of this unit or rope in the realm or in the agent's space */
PyObject *client_name(struct client_object *self, PyObject *arguments)
{
    unsigned char type, form;
    int space, status;
    uint8_t key[32];
    Py_buffer data;
    am_id id;
    if (!PyArg_ParseTuple(arguments, "bby*p", &type, &form, &data, &space))
        return NULL;
    status = client_ready(self) ? am_client_key(self->client, space != 0, key) : 1;
    if (status == 0) {
        Py_BEGIN_ALLOW_THREADS am_unit_id(key, type, form, data.buf, (size_t)data.len, id.bytes);
        Py_END_ALLOW_THREADS
    }
    explicit_bzero(key, sizeof key);
    PyBuffer_Release(&data);
    return status == 0 ? id_bytes(&id) : status < 0 ? raise_status(status) : NULL;
}

PyObject *client_reconnect(struct client_object *self, PyObject *nothing)
{
    int status;
    (void)nothing;
    if (!client_ready(self))
        return NULL;
    CALL(self, status, am_reconnect(self->client));
    return done(status);
}
