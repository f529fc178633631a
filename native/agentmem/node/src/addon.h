/* What the files of the addon share. A connection is am_client with a table of the units that JavaScript
 * holds, by slot: a Unit in JavaScript is a slot's number, which costs less than an object of the addon's
 * own. Everything runs on the thread of its environment. */
#ifndef AGENTMEM_NODE_H
#define AGENTMEM_NODE_H

/* External strings are experimental in Node-API; the finalizers here call nothing that could run JavaScript.
 */
#define NAPI_EXPERIMENTAL
#define NODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT
#include <node_api.h>

#include "client.h"

struct connection {
    am_client *client;
    am_unit *unit;      /* AM_REFERENCES; by reference, zero where none is held by JavaScript */
    size_t outside;     /* buffers and strings that V8 still has */
    bool closed, ended; /* ended: so has the environment */
};

/* Throw an Error with the status's name as code. Returns NULL. */
napi_value raise(napi_env env, int status);
napi_value raise_text(napi_env env, const char *code, const char *text);
/* The connection and `count` arguments of a call; false: it is closed, or an argument is missing, and that
 * was thrown. */
bool begin(napi_env env, napi_callback_info info, size_t count, napi_value *arguments,
           struct connection **own);
am_unit *held(napi_env env, struct connection *own, napi_value slot); /* NULL: thrown */
napi_value hold(napi_env env, struct connection *own, const am_unit *unit);
void rest(struct connection *own); /* close it for good when nothing uses it any more */

/* outside.c */
napi_value unit_buffer(napi_env env, napi_callback_info info);
napi_value unit_latin1(napi_env env, napi_callback_info info);
napi_value unit_is_ascii(napi_env env, napi_callback_info info);

#endif
