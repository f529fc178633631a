/* Unit: a reference to shared bytes, readable as a buffer.
 *
 * Does not know how it was acquired. Invariant: the bytes stay mapped and in place while a view of them
 * exists, even after release(), even after the store was closed; the reference is given back exactly once.
 */
#include "agentmem.h"

PyObject *unit_new(struct client_object *owner, const am_unit *unit)
{
    struct unit_object *self = PyObject_New(struct unit_object, &unit_type);
    if (self == NULL) {
        am_unit given_back = *unit;
        am_release(owner->client, &given_back);
        return NULL;
    }
    Py_INCREF(owner);
    self->owner = owner;
    self->unit = *unit;
    self->views = 0;
    self->released = false;
    self->before = NULL;
    self->after = owner->units;
    if (owner->units != NULL)
        owner->units->before = self;
    owner->units = self;
    return (PyObject *)self;
}

void unit_let_go(struct unit_object *self)
{
    self->released = true;
    if (self->views > 0 || self->unit.reference == 0)
        return;
    am_release(self->owner->client, &self->unit);
    if (self->before != NULL)
        self->before->after = self->after;
    else
        self->owner->units = self->after;
    if (self->after != NULL)
        self->after->before = self->before;
    client_rest(self->owner);
}

static void unit_dealloc(struct unit_object *self)
{
    unit_let_go(self); /* no view is left: each holds a Python reference to this object */
    Py_DECREF(self->owner);
    PyObject_Free(self);
}

static bool readable(const struct unit_object *self)
{
    if (!self->released && self->unit.data != NULL && !atomic_load(&self->owner->client->forked))
        return true;
    if (self->released)
        PyErr_SetString(PyExc_ValueError, "the unit was released; acquire it again to read it");
    else
        raise_status(am_client_fail(AM_EFORKED,
                                    "the unit was acquired before a fork, in the parent; its bytes are not "
                                    "mapped in the child"));
    return false;
}

static int unit_get_buffer(struct unit_object *self, Py_buffer *view, int flags)
{
    if (!readable(self)) {
        view->obj = NULL;
        return -1;
    }
    if (PyBuffer_FillInfo(view, (PyObject *)self, (void *)(uintptr_t)self->unit.data,
                          (Py_ssize_t)self->unit.length, 1, flags)
        != 0)
        return -1;
    self->views++;
    return 0;
}

static void unit_release_buffer(struct unit_object *self, Py_buffer *view)
{
    (void)view;
    if (--self->views == 0 && self->released)
        unit_let_go(self);
}

static Py_ssize_t unit_length(struct unit_object *self)
{
    return (Py_ssize_t)self->unit.length;
}

static PyObject *unit_release(struct unit_object *self, PyObject *nothing)
{
    (void)nothing;
    unit_let_go(self);
    Py_RETURN_NONE;
}

static PyObject *unit_enter(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    return Py_NewRef(self);
}

static PyObject *unit_exit(struct unit_object *self, PyObject *arguments)
{
    (void)arguments;
    unit_let_go(self);
    Py_RETURN_NONE;
}

static PyObject *unit_get_id(struct unit_object *self, void *closure)
{
    (void)closure;
    return id_bytes(&self->unit.id);
}

static PyObject *unit_get_type(struct unit_object *self, void *closure)
{
    (void)closure;
    return type_member(self->unit.type);
}

static PyObject *unit_get_form(struct unit_object *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(self->unit.form == AM_ROPE ? "rope" : "raw");
}

static PyObject *unit_get_existed(struct unit_object *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(self->unit.existed);
}

static PyObject *unit_get_released(struct unit_object *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(self->released);
}

static PyObject *unit_repr(struct unit_object *self)
{
    char hex[17];
    for (int n = 0; n < 8; n++)
        snprintf(hex + n * 2, 3, "%02x", self->unit.id.bytes[n]);
    return PyUnicode_FromFormat("<Unit %s... of %llu bytes%s>", hex, (unsigned long long)self->unit.length,
                                self->released ? ", released" : "");
}

static PyMethodDef unit_methods[] = {
    {"release", (PyCFunction)unit_release, METH_NOARGS,
     "Give the reference back; views that exist keep it until they go."},
    {"__enter__", unit_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)unit_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef unit_fields[] = {
    {"id", (getter)unit_get_id, NULL, "the 32 bytes that name this content in its realm", NULL},
    {"type", (getter)unit_get_type, NULL, "UnitType", NULL},
    {"form", (getter)unit_get_form, NULL, "\"raw\", or \"rope\": its bytes name other units", NULL},
    {"existed", (getter)unit_get_existed, NULL, "whether the content was stored before it was published",
     NULL},
    {"released", (getter)unit_get_released, NULL, "whether release() was called", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyBufferProcs unit_buffer = {(getbufferproc)unit_get_buffer, (releasebufferproc)unit_release_buffer};
static PySequenceMethods unit_sequence = {.sq_length = (lenfunc)unit_length};

PyTypeObject unit_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nexus._agentmem.Unit",
    .tp_basicsize = sizeof(struct unit_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc =
        "A reference to content in the store, read in place: memoryview(unit) copies nothing and is "
        "read-only,\n"
        "bytes(unit) copies, len(unit) is its bytes.\n\n"
        "Lifetime: the content stays where and as it is until release(), the end of a `with` block, or the "
        "end\n"
        "of the object. After that new views raise ValueError; a view that exists stays valid and keeps the\n"
        "reference until it is gone, also when the store is closed meanwhile.",
    .tp_dealloc = (destructor)unit_dealloc,
    .tp_repr = (reprfunc)unit_repr,
    .tp_as_buffer = &unit_buffer,
    .tp_as_sequence = &unit_sequence,
    .tp_methods = unit_methods,
    .tp_getset = unit_fields,
};
