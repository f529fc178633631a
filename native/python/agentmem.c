/* nexus._agentmem: libagentmem for Python, by hand, because an acquire costs less than most ways of calling
 * one.
 *
 * The module, and what its types have of Python's side: the exception classes and the members of UnitType.
 * Knows no client. What a person uses is nexus.agentmem.Store, which is made of these.
 */
#include "agentmem.h"

static PyObject *errors,
    *types; /* status to exception class; type to member of UnitType: set by nexus.agentmem */

PyObject *raise_status(int status)
{
    PyObject *key = PyLong_FromLong(status), *class = NULL;
    if (key != NULL && errors != NULL)
        class = PyDict_GetItemWithError(errors, key);
    Py_XDECREF(key);
    if (!PyErr_Occurred())
        PyErr_SetString(class != NULL ? class : PyExc_RuntimeError, am_error());
    return NULL;
}

PyObject *type_member(int type)
{
    PyObject *key = PyLong_FromLong(type);
    PyObject *member = key != NULL && types != NULL ? PyDict_GetItemWithError(types, key) : NULL;
    if (member == NULL)
        return PyErr_Occurred() ? NULL : key;
    Py_DECREF(key);
    return Py_NewRef(member);
}

PyObject *id_bytes(const am_id *id)
{
    return PyBytes_FromStringAndSize((const char *)id->bytes, sizeof id->bytes);
}

bool take_id(PyObject *object, am_id *id)
{
    if (PyBytes_Check(object) && PyBytes_GET_SIZE(object) == sizeof *id) {
        memcpy(id, PyBytes_AS_STRING(object), sizeof *id);
        return true;
    }
    PyErr_Format(PyExc_TypeError, "an id is 32 bytes, as Unit.id and identify() give it, not %R", object);
    return false;
}

static PyObject *set_up(PyObject *module, PyObject *arguments)
{
    PyObject *new_errors, *new_types;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyDict_Type, &new_errors, &PyDict_Type, &new_types))
        return NULL;
    Py_XSETREF(errors, Py_NewRef(new_errors));
    Py_XSETREF(types, Py_NewRef(new_types));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"set_up", set_up, METH_VARARGS, "set_up(errors, types): the classes that are raised and returned"},
    {"unit_id", pack_unit_id, METH_VARARGS, "unit_id(key, type, form, data): the content's name under a key"},
    {"encode", pack_encode, METH_O, "encode(data): as a stored unit that stands by itself"},
    {"decode", pack_decode, METH_VARARGS, "decode(stored, most): its bytes, at most so many"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "nexus._agentmem", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__agentmem(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddType(module, &client_type) != 0 || PyModule_AddType(module, &unit_type) != 0
        || PyModule_AddType(module, &conversation_type) != 0
        || PyModule_AddType(module, &pack_writer_type) != 0 || PyModule_AddType(module, &pack_reader_type) != 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
