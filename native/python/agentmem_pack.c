/* Packs (pack.h) and stored units (codec.h) for Python: what travels between machines.
 *
 * Knows bytes, no broker. Invariants: a reader keeps the buffer that it reads for as long as it lives, and has checked
 * it as a whole before the first entry; an error names the byte of the pack.
 */
#include "agentmem.h"

#include "blake3.h"
#include "codec.h"
#include "pack.h"

static PyObject *fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
static PyObject *fail(int status, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return raise_status(am_client_fail(status, "%s", text));
}

/* unit_id(key, type, form, data): the name of this content under a key of 32 bytes */
PyObject *pack_unit_id(PyObject *module, PyObject *arguments)
{
    Py_buffer key, data;
    unsigned char type, form;
    am_id id;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*bby*", &key, &type, &form, &data))
        return NULL;
    const bool right = key.len == 32;
    if (right) {
        Py_BEGIN_ALLOW_THREADS am_unit_id(key.buf, type, form, data.buf, (size_t)data.len, id.bytes);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    if (right)
        return id_bytes(&id);
    PyErr_SetString(PyExc_ValueError, "a key has 32 bytes");
    return NULL;
}

/* encode(data): as codec.h stores it, without dictionary and base */
PyObject *pack_encode(PyObject *module, PyObject *argument)
{
    Py_buffer data;
    size_t bytes = 0;
    (void)module;
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) != 0)
        return NULL;
    PyObject *stored = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)am_stored_bound((size_t)data.len));
    if (stored != NULL) {
        Py_BEGIN_ALLOW_THREADS bytes = am_encode(data.buf, (size_t)data.len, NULL, AM_LEVEL, PyBytes_AS_STRING(stored));
        Py_END_ALLOW_THREADS
        if (bytes == 0) {
            Py_CLEAR(stored);
            PyErr_NoMemory();
        } else
            _PyBytes_Resize(&stored, (Py_ssize_t)bytes);
    }
    PyBuffer_Release(&data);
    return stored;
}

/* decode(stored, most): the bytes, at most so many; what needs a dictionary or base is refused */
PyObject *pack_decode(PyObject *module, PyObject *arguments)
{
    Py_buffer stored;
    unsigned long long most;
    struct am_stored head;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*K", &stored, &most))
        return NULL;
    PyObject *raw = NULL;
    int status = am_stored_head(stored.buf, (size_t)stored.len, &head);
    if (status != 0 || head.coding == AM_DELTA || head.dictionary != 0)
        fail(AM_ECORRUPT, "these %zd bytes are no stored unit that stands by itself", stored.len);
    else if (head.raw_bytes > most)
        fail(AM_ESIZE, "a stored unit says it has %llu bytes, at most %llu are taken", (unsigned long long)head.raw_bytes,
             most);
    else if ((raw = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)head.raw_bytes)) != NULL) {
        Py_BEGIN_ALLOW_THREADS status = am_decode(stored.buf, (size_t)stored.len, NULL, 0, NULL, PyBytes_AS_STRING(raw),
                                                  (size_t)head.raw_bytes);
        Py_END_ALLOW_THREADS
        if (status != 0) {
            Py_CLEAR(raw);
            fail(status, "a stored unit of %llu bytes is damaged", (unsigned long long)head.raw_bytes);
        }
    }
    PyBuffer_Release(&stored);
    return raw;
}

struct writer_object { PyObject_HEAD struct am_pack_writer *writer; bool busy; };

static PyObject *writer_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    int fd, status;
    struct am_pack_writer *writer = NULL;
    (void)named;
    if (!PyArg_ParseTuple(arguments, "i", &fd))
        return NULL;
    struct writer_object *self = (struct writer_object *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = am_pack_create(fd, &writer);
    Py_END_ALLOW_THREADS
    if (status != 0) {
        Py_DECREF(self);
        return fail(status, "%s", am_pack_error());
    }
    self->writer = writer;
    return (PyObject *)self;
}

static bool writer_ready(struct writer_object *self)
{
    if (self->writer != NULL && !self->busy)
        return true;
    PyErr_SetString(PyExc_ValueError, self->busy ? "another thread writes this pack" : "the pack is finished");
    return false;
}

static PyObject *writer_add(struct writer_object *self, PyObject *arguments)
{
    unsigned char type, form;
    int root, status;
    Py_buffer data;
    am_id id;
    if (!PyArg_ParseTuple(arguments, "bbpy*", &type, &form, &root, &data))
        return NULL;
    if (!writer_ready(self)) {
        PyBuffer_Release(&data);
        return NULL;
    }
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status =
        am_pack_add(self->writer, type, form, root != 0, data.buf, (uint64_t)data.len, &id);
    Py_END_ALLOW_THREADS self->busy = false;
    PyBuffer_Release(&data);
    return status != 0 ? fail(status, "%s", am_pack_error()) : id_bytes(&id);
}

static PyObject *writer_add_known(struct writer_object *self, PyObject *arguments)
{
    unsigned char type, form;
    unsigned long long length;
    PyObject *name;
    am_id known, id;
    int status;
    if (!PyArg_ParseTuple(arguments, "bbOK", &type, &form, &name, &length) || !take_id(name, &known)
        || !writer_ready(self))
        return NULL;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = am_pack_add_known(self->writer, type, form, &known, length, &id);
    Py_END_ALLOW_THREADS self->busy = false;
    return status != 0 ? fail(status, "%s", am_pack_error()) : id_bytes(&id);
}

static PyObject *writer_finish(struct writer_object *self, PyObject *nothing)
{
    int status;
    (void)nothing;
    if (!writer_ready(self))
        return NULL;
    struct am_pack_writer *writer = self->writer;
    self->writer = NULL;
    Py_BEGIN_ALLOW_THREADS status = am_pack_finish(writer);
    Py_END_ALLOW_THREADS
    if (status != 0)
        return fail(status, "%s", am_pack_error());
    Py_RETURN_NONE;
}

static PyMethodDef writer_methods[] = {
    {"add", (PyCFunction)writer_add, METH_VARARGS, "add(type, form, root, data): the unit's id in the pack"},
    {"add_known", (PyCFunction)writer_add_known, METH_VARARGS, "add_known(type, form, name, length): likewise"},
    {"finish", (PyCFunction)writer_finish, METH_NOARGS, "write the end; without it there is no pack"},
    {NULL, NULL, 0, NULL},
};

struct reader_object { PyObject_HEAD Py_buffer buffer; struct am_pack_reader *reader; };

static PyObject *reader_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    int status;
    PyObject *bytes;
    (void)named;
    if (!PyArg_ParseTuple(arguments, "O", &bytes))
        return NULL;
    struct reader_object *self = (struct reader_object *)type->tp_alloc(type, 0);
    if (self == NULL || PyObject_GetBuffer(bytes, &self->buffer, PyBUF_SIMPLE) != 0) {
        Py_XDECREF(self);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS status = am_pack_open(self->buffer.buf, (size_t)self->buffer.len, &self->reader);
    Py_END_ALLOW_THREADS
    if (status == 0)
        return (PyObject *)self;
    Py_DECREF(self);
    return fail(status, "%s", am_pack_error());
}

static void reader_dealloc(struct reader_object *self)
{
    am_pack_close(self->reader);
    if (self->buffer.obj != NULL)
        PyBuffer_Release(&self->buffer);
    Py_TYPE(self)->tp_free(self);
}

/* (id, type, form, root, known, raw_bytes, at, stored_bytes): at is the byte of the pack where its content stands */
static PyObject *reader_next(struct reader_object *self)
{
    struct am_pack_entry entry;
    if (am_pack_next(self->reader, &entry) == 0)
        return NULL;
    return Py_BuildValue("y#BBOOKnn", (char *)entry.id.bytes, (Py_ssize_t)sizeof entry.id, entry.type, entry.form,
                         entry.root ? Py_True : Py_False, entry.known ? Py_True : Py_False,
                         (unsigned long long)entry.raw_bytes,
                         (Py_ssize_t)((const char *)entry.stored - (const char *)self->buffer.buf),
                         (Py_ssize_t)entry.stored_bytes);
}

static PyObject *reader_decode(struct reader_object *self, PyObject *arguments)
{
    Py_ssize_t at, stored_bytes;
    struct am_stored head;
    if (!PyArg_ParseTuple(arguments, "nn", &at, &stored_bytes))
        return NULL;
    if (at < 0 || stored_bytes < 0 || at > self->buffer.len || stored_bytes > self->buffer.len - at) {
        PyErr_SetString(PyExc_ValueError, "this place is not in the pack");
        return NULL;
    }
    const char *stored = (const char *)self->buffer.buf + at;
    int status = am_stored_head(stored, (size_t)stored_bytes, &head);
    PyObject *raw = NULL;
    if (status == 0 && (raw = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)head.raw_bytes)) == NULL)
        return NULL;
    if (status == 0) {
        Py_BEGIN_ALLOW_THREADS status = am_decode(stored, (size_t)stored_bytes, NULL, 0, NULL, PyBytes_AS_STRING(raw),
                                                  (size_t)head.raw_bytes);
        Py_END_ALLOW_THREADS
    }
    if (status == 0)
        return raw;
    Py_XDECREF(raw);
    return fail(status, "not a whole pack: the content at byte %zd is damaged", at);
}

static PyMethodDef reader_methods[] = {
    {"decode", (PyCFunction)reader_decode, METH_VARARGS, "decode(at, stored_bytes): the bytes of one entry"},
    {NULL, NULL, 0, NULL},
};

static void writer_dealloc(struct writer_object *self)
{
    if (self->writer != NULL)
        am_pack_discard(self->writer);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject pack_writer_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "nexus._agentmem.PackWriter",
    .tp_basicsize = sizeof(struct writer_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_new = writer_new,
    .tp_dealloc = (destructor)writer_dealloc,
    .tp_methods = writer_methods,
};

PyTypeObject pack_reader_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "nexus._agentmem.PackReader",
    .tp_basicsize = sizeof(struct reader_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_new = reader_new,
    .tp_dealloc = (destructor)reader_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)reader_next,
    .tp_methods = reader_methods,
};
