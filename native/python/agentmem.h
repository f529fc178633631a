/* What the files of nexus._agentmem share. The GIL guards every field here; calls that may wait for the broker
 * or hash much give it up in between (CALL), and count themselves so that a close waits for them. */
#ifndef NEXUS_PYTHON_AGENTMEM_H
#define NEXUS_PYTHON_AGENTMEM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "client.h"

struct unit_object;
struct client_object {
    PyObject_HEAD
    am_client *client;         /* NULL once closed and unused */
    struct unit_object *units; /* that hold a reference */
    Py_ssize_t busy;           /* calls without the GIL, and views */
    bool closed;
};

struct unit_object {
    PyObject_HEAD
    struct client_object *owner;
    am_unit unit;
    Py_ssize_t views;
    bool released;
    struct unit_object *before, *after;
};

extern PyTypeObject client_type, unit_type, conversation_type;

/* Raise the exception class of a status with am_error's text. Returns NULL. */
PyObject *raise_status(int status);
PyObject *type_member(int type);              /* of nexus.agentmem.UnitType */
PyObject *id_bytes(const am_id *id);
bool take_id(PyObject *object, am_id *id);    /* false: raised */
bool client_ready(struct client_object *self); /* false: it is closed, raised */
/* End the connection if it was closed and nothing uses it any more. */
void client_rest(struct client_object *self);
/* Takes the reference over, also on failure. */
PyObject *unit_new(struct client_object *owner, const am_unit *unit);
void unit_let_go(struct unit_object *self);   /* give the reference back unless views keep it */
PyObject *conversation_open(PyObject *client, PyObject *name);

/* agentmem_calls.c: methods of Client */
PyObject *client_own(struct client_object *self, PyObject *name);
PyObject *client_disown(struct client_object *self, PyObject *name);
PyObject *client_mark(struct client_object *self, PyObject *arguments);
PyObject *client_heat(struct client_object *self, PyObject *names);
PyObject *client_share(struct client_object *self, PyObject *arguments);
PyObject *client_head_set(struct client_object *self, PyObject *arguments);
PyObject *client_head_get(struct client_object *self, PyObject *name);
PyObject *client_agent_state(struct client_object *self, PyObject *arguments);
PyObject *client_agent_importance(struct client_object *self, PyObject *arguments);
PyObject *client_agent_forget(struct client_object *self, PyObject *arguments);
PyObject *client_stats(struct client_object *self, PyObject *nothing);
PyObject *client_agents(struct client_object *self, PyObject *nothing);
PyObject *client_inventory(struct client_object *self, PyObject *nothing);
PyObject *client_name(struct client_object *self, PyObject *arguments);
PyObject *client_reconnect(struct client_object *self, PyObject *nothing);

/* agentmem_pack.c */
extern PyTypeObject pack_writer_type, pack_reader_type;
PyObject *pack_unit_id(PyObject *module, PyObject *arguments);
PyObject *pack_encode(PyObject *module, PyObject *argument);
PyObject *pack_decode(PyObject *module, PyObject *arguments);

#define CALL(self, status, expression)                                                             \
    do {                                                                                           \
        (self)->busy++;                                                                            \
        Py_BEGIN_ALLOW_THREADS status = (expression);                                              \
        Py_END_ALLOW_THREADS (self)->busy--;                                                       \
        client_rest(self);                                                                         \
    } while (0)

#endif
