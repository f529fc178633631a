/* Conversation: am_conversation_* for Python. The Python class of that name adds messages and slices. */
#include "agentmem.h"

struct conversation_object {
    PyObject_HEAD struct client_object *owner;
    am_conversation *conversation;
};

PyObject *conversation_open(PyObject *client, PyObject *name)
{
    struct client_object *owner = (struct client_object *)client;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text == NULL || !client_ready(owner))
        return NULL;
    if ((size_t)length != strlen(text)) {
        PyErr_SetString(PyExc_ValueError, "a conversation's name has no zero characters");
        return NULL;
    }
    am_conversation *opened;
    int status;
    Py_INCREF(name);
    CALL(owner, status, am_conversation_open(owner->client, text, &opened));
    Py_DECREF(name);
    if (status != 0)
        return raise_status(status);
    struct conversation_object *self = PyObject_New(struct conversation_object, &conversation_type);
    if (self == NULL) {
        am_conversation_close(opened);
        return NULL;
    }
    Py_INCREF(owner);
    self->owner = owner;
    self->conversation = opened;
    return (PyObject *)self;
}

static void conversation_dealloc(struct conversation_object *self)
{
    am_conversation_close(self->conversation);
    Py_DECREF(self->owner);
    PyObject_Free(self);
}

static PyObject *append(struct conversation_object *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "append(type, data, starts)");
        return NULL;
    }
    long type = PyLong_AsLong(arguments[0]);
    int starts = PyObject_IsTrue(arguments[2]), status;
    Py_buffer data;
    if ((type == -1 && PyErr_Occurred()) || starts < 0 || !client_ready(self->owner)
        || PyObject_GetBuffer(arguments[1], &data, PyBUF_SIMPLE) != 0)
        return NULL;
    CALL(self->owner, status,
         am_conversation_append(self->conversation, (int)type, data.buf, (uint64_t)data.len, starts != 0));
    PyBuffer_Release(&data);
    if (status != 0)
        return raise_status(status);
    Py_RETURN_NONE;
}

static bool take_number(PyObject *object, uint64_t *n)
{
    *n = PyLong_AsUnsignedLongLong(object);
    return !PyErr_Occurred();
}

static PyObject *piece(struct conversation_object *self, PyObject *number)
{
    uint64_t n;
    am_piece found;
    int status;
    if (!take_number(number, &n) || !client_ready(self->owner))
        return NULL;
    CALL(self->owner, status, am_conversation_piece(self->conversation, n, &found));
    if (status != 0)
        return raise_status(status);
    return Py_BuildValue("y#KNO", (char *)found.id.bytes, (Py_ssize_t)sizeof found.id,
                         (unsigned long long)found.length, type_member(found.type),
                         found.flags & AM_MESSAGE_START ? Py_True : Py_False);
}

static PyObject *message(struct conversation_object *self, PyObject *number)
{
    uint64_t n, first, last;
    int status;
    if (!take_number(number, &n) || !client_ready(self->owner))
        return NULL;
    CALL(self->owner, status, am_conversation_message(self->conversation, n, &first, &last));
    if (status != 0)
        return raise_status(status);
    return Py_BuildValue("KK", (unsigned long long)first, (unsigned long long)last);
}

/* These wait for an append of another thread, so they give up the GIL. */
static PyObject *count(struct conversation_object *self, uint64_t (*asked)(const am_conversation *))
{
    uint64_t value;
    if (!client_ready(self->owner))
        return NULL;
    CALL(self->owner, value, asked(self->conversation));
    return PyLong_FromUnsignedLongLong(value);
}

static PyObject *get_messages(struct conversation_object *self, void *closure)
{
    (void)closure;
    return count(self, am_conversation_messages);
}

static PyObject *get_pieces(struct conversation_object *self, void *closure)
{
    (void)closure;
    return count(self, am_conversation_pieces);
}

static PyObject *get_length(struct conversation_object *self, void *closure)
{
    (void)closure;
    return count(self, am_conversation_length);
}

static PyObject *get_id(struct conversation_object *self, void *closure)
{
    am_id id;
    int status;
    (void)closure;
    if (!client_ready(self->owner))
        return NULL;
    CALL(self->owner, status, am_conversation_id(self->conversation, &id));
    if (status == AM_ENOTFOUND)
        Py_RETURN_NONE;
    return status != 0 ? raise_status(status) : id_bytes(&id);
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)(void (*)(void))append, METH_FASTCALL, "append(type, data, starts)"},
    {"piece", (PyCFunction)piece, METH_O, "(id, length, type, starts) of the n-th piece"},
    {"message", (PyCFunction)message, METH_O, "(first, last) pieces of the n-th message"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef fields[] = {
    {"messages", (getter)get_messages, NULL, NULL, NULL},
    {"pieces", (getter)get_pieces, NULL, NULL, NULL},
    {"length", (getter)get_length, NULL, NULL, NULL},
    {"id", (getter)get_id, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject conversation_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nexus._agentmem.Conversation",
    .tp_basicsize = sizeof(struct conversation_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_dealloc = (destructor)conversation_dealloc,
    .tp_methods = methods,
    .tp_getset = fields,
};
