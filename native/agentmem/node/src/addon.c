/* @nexusos/agentmem: libagentmem for Node, behind index.js.
 *
 * connect(options) returns an object of functions that belong to one connection; what a person uses (Store,
 * Unit) is written in JavaScript over them. Invariant: am_close happens once, after the last buffer and
 * string.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "addon.h"

#define UNITS (sizeof(am_unit) * AM_REFERENCES)

napi_value raise_text(napi_env env, const char *code, const char *text)
{
    napi_throw_error(env, code, text);
    return NULL;
}

napi_value raise(napi_env env, int status)
{
    static const char *const codes[] = {"AM_OK",      "AM_EINVAL",    "AM_ENOTFOUND", "AM_ETYPE",
                                        "AM_ESIZE",   "AM_ESEALS",    "AM_EQUOTA",    "AM_ENOMEM",
                                        "AM_EDISK",   "AM_ECORRUPT",  "AM_EACCESS",   "AM_EBROKER",
                                        "AM_EFORKED", "AM_EPROTOCOL", "AM_EBUSY",     "AM_EFILES",
                                        "AM_EUNSUPPORTED"};
    bool known = status <= 0 && (size_t)-status < sizeof codes / sizeof *codes;
    return raise_text(env, known ? codes[-status] : "AM_UNKNOWN", am_error());
}

void rest(struct connection *own)
{
    if (own->closed && own->outside == 0 && own->client != NULL) {
        am_close(own->client);
        munmap(own->unit, UNITS);
        own->client = NULL;
    }
    if (own->ended && own->outside == 0)
        free(own);
}

bool begin(napi_env env, napi_callback_info info, size_t count, napi_value *arguments,
           struct connection **own)
{
    size_t given = count;
    void *data;
    if (napi_get_cb_info(env, info, &given, arguments, NULL, &data) != napi_ok)
        return false;
    *own = data;
    if ((*own)->closed)
        raise_text(env, "AM_EBROKER", "the store is closed; connect again");
    else if (given < count)
        raise_text(env, "AM_EINVAL", "an argument is missing");
    return !(*own)->closed && given >= count;
}

am_unit *held(napi_env env, struct connection *own, napi_value slot)
{
    uint32_t n;
    if (napi_get_value_uint32(env, slot, &n) == napi_ok && n > 0 && n < AM_REFERENCES
        && own->unit[n].reference == n)
        return &own->unit[n];
    raise_text(env, "AM_EINVAL", "the unit was released; acquire it again to read it");
    return NULL;
}

napi_value hold(napi_env env, struct connection *own, const am_unit *unit)
{
    napi_value slot;
    own->unit[unit->reference] = *unit;
    napi_create_uint32(env, unit->reference, &slot);
    return slot;
}

static bool bytes_of(napi_env env, napi_value value, void **data, size_t *length)
{
    if (napi_get_buffer_info(env, value, data, length) == napi_ok)
        return true;
    raise_text(env, "ERR_INVALID_ARG_TYPE", "a Buffer or Uint8Array is due");
    return false;
}

static bool id_of(napi_env env, napi_value value, am_id *id)
{
    void *data;
    size_t length;
    if (!bytes_of(env, value, &data, &length))
        return false;
    if (length == sizeof *id) {
        memcpy(id, data, sizeof *id);
        return true;
    }
    raise_text(env, "AM_EINVAL", "an id is 32 bytes, as unit.id has them");
    return false;
}

static napi_value acquire(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument;
    am_id id;
    am_unit unit;
    if (!begin(env, info, 1, &argument, &own) || !id_of(env, argument, &id))
        return NULL;
    int status = am_acquire(own->client, &id, &unit);
    return status != 0 ? raise(env, status) : hold(env, own, &unit);
}

static napi_value release(napi_env env, napi_callback_info info)
{
    size_t given = 1;
    napi_value argument;
    void *data;
    uint32_t n;
    napi_get_cb_info(env, info, &given, &argument, NULL, &data);
    struct connection *own = data;
    /* Also from the garbage collector, after close and twice: then there is nothing to do. */
    if (!own->closed && napi_get_value_uint32(env, argument, &n) == napi_ok && n > 0 && n < AM_REFERENCES
        && own->unit[n].reference == n)
        am_release(own->client, &own->unit[n]);
    return NULL;
}

/* type, data, flags */
static napi_value publish(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument[3];
    int32_t type = 0;
    uint32_t flags = 0;
    void *data;
    size_t length;
    am_unit unit;
    if (!begin(env, info, 3, argument, &own) || !bytes_of(env, argument[1], &data, &length))
        return NULL;
    napi_get_value_int32(env, argument[0], &type);
    napi_get_value_uint32(env, argument[2], &flags);
    int status = am_publish(own->client, type, length > 0 ? data : "", length, flags, &unit);
    return status != 0 ? raise(env, status) : hold(env, own, &unit);
}

static napi_value id_value(napi_env env, const am_id *id)
{
    napi_value value;
    napi_create_buffer_copy(env, sizeof *id, id, NULL, &value);
    return value;
}

static napi_value identify(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument[3];
    int32_t type = 0;
    bool space = false;
    void *data;
    size_t length;
    am_id id;
    if (!begin(env, info, 3, argument, &own) || !bytes_of(env, argument[1], &data, &length))
        return NULL;
    napi_get_value_int32(env, argument[0], &type);
    napi_get_value_bool(env, argument[2], &space);
    int status = am_identify(own->client, type, length > 0 ? data : "", length, space, &id);
    return status != 0 ? raise(env, status) : id_value(env, &id);
}

static napi_value unit_id(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument;
    const am_unit *unit = begin(env, info, 1, &argument, &own) ? held(env, own, argument) : NULL;
    return unit != NULL ? id_value(env, &unit->id) : NULL;
}

static napi_value unit_length(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, value;
    const am_unit *unit = begin(env, info, 1, &argument, &own) ? held(env, own, argument) : NULL;
    return unit != NULL && napi_create_int64(env, (int64_t)unit->length, &value) == napi_ok ? value : NULL;
}

static napi_value unit_type(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, value;
    const am_unit *unit = begin(env, info, 1, &argument, &own) ? held(env, own, argument) : NULL;
    return unit != NULL && napi_create_int32(env, unit->type, &value) == napi_ok ? value : NULL;
}

static napi_value unit_existed(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, value;
    const am_unit *unit = begin(env, info, 1, &argument, &own) ? held(env, own, argument) : NULL;
    return unit != NULL && napi_get_boolean(env, unit->existed, &value) == napi_ok ? value : NULL;
}

static napi_value own_or_not(napi_env env, napi_callback_info info, int (*call)(am_client *, const am_id *))
{
    struct connection *own;
    napi_value argument;
    am_id id;
    if (!begin(env, info, 1, &argument, &own) || !id_of(env, argument, &id))
        return NULL;
    int status = call(own->client, &id);
    return status != 0 ? raise(env, status) : NULL;
}

static napi_value own_unit(napi_env env, napi_callback_info info)
{
    return own_or_not(env, info, am_own);
}

static napi_value disown_unit(napi_env env, napi_callback_info info)
{
    return own_or_not(env, info, am_disown);
}

static napi_value stats(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value text = NULL;
    char *json;
    if (!begin(env, info, 0, NULL, &own))
        return NULL;
    int status = am_stats(own->client, &json);
    if (status != 0)
        return raise(env, status);
    napi_create_string_utf8(env, json, NAPI_AUTO_LENGTH, &text);
    free(json);
    return text;
}

static napi_value reconnect(napi_env env, napi_callback_info info)
{
    struct connection *own;
    if (!begin(env, info, 0, NULL, &own))
        return NULL;
    int status = am_reconnect(own->client);
    return status != 0 ? raise(env, status) : NULL;
}

static void let_go(struct connection *own)
{
    if (own->closed)
        return;
    for (uint32_t n = 1, high = atomic_load(&own->client->slots); n < high; n++)
        if (own->unit[n].reference == n)
            am_release(own->client, &own->unit[n]);
    own->closed = true;
}

static napi_value close_connection(napi_env env, napi_callback_info info)
{
    size_t given = 0;
    void *data;
    napi_get_cb_info(env, info, &given, NULL, NULL, &data);
    let_go(data);
    rest(data);
    return NULL;
}

static void at_end(void *data)
{
    struct connection *own = data;
    let_go(own);
    own->ended = true;
    rest(own); /* with buffers left it stays as it is: V8 may look at them until the very end */
}

static char *option(napi_env env, napi_value options, const char *name, char *room, size_t bytes)
{
    napi_value value;
    size_t length;
    if (napi_get_named_property(env, options, name, &value) != napi_ok
        || napi_get_value_string_utf8(env, value, room, bytes, &length) != napi_ok)
        return NULL;
    return room;
}

static napi_value connect_store(napi_env env, napi_callback_info info)
{
    static const struct {
        const char *name;
        napi_callback call;
    } functions[] = {{"acquire", acquire},
                     {"release", release},
                     {"publish", publish},
                     {"identify", identify},
                     {"id", unit_id},
                     {"length", unit_length},
                     {"type", unit_type},
                     {"existed", unit_existed},
                     {"buffer", unit_buffer},
                     {"latin1", unit_latin1},
                     {"isAscii", unit_is_ascii},
                     {"own", own_unit},
                     {"disown", disown_unit},
                     {"stats", stats},
                     {"reconnect", reconnect},
                     {"close", close_connection}};
    size_t given = 1;
    napi_value argument, value, object;
    char socket[256], realm[AM_NAME_BYTES + 1], agent[AM_NAME_BYTES + 1];
    am_options options;
    am_options_default(&options);
    if (napi_get_cb_info(env, info, &given, &argument, NULL, NULL) != napi_ok || given < 1)
        return raise_text(env, "AM_EINVAL", "connect takes an object of options");
    options.socket = option(env, argument, "socket", socket, sizeof socket);
    options.realm = option(env, argument, "realm", realm, sizeof realm);
    options.agent = option(env, argument, "agent", agent, sizeof agent);
    if (napi_get_named_property(env, argument, "importance", &value) == napi_ok)
        napi_get_value_uint32(env, value, &options.importance);
    if (napi_get_named_property(env, argument, "timeout", &value) == napi_ok)
        napi_get_value_uint32(env, value, &options.timeout_ms);
    if (napi_get_named_property(env, argument, "durable", &value) == napi_ok)
        napi_get_value_bool(env, value, &options.durable);
    struct connection *own = calloc(1, sizeof *own);
    void *units =
        mmap(NULL, UNITS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (own == NULL || units == MAP_FAILED) {
        free(own);
        return raise_text(env, "AM_ENOMEM", "no memory for a connection");
    }
    own->unit = units;
    int status = am_connect(&options, &own->client);
    if (status != 0) {
        munmap(units, UNITS);
        free(own);
        return raise(env, status);
    }
    napi_add_env_cleanup_hook(env, at_end, own);
    napi_create_object(env, &object);
    for (size_t n = 0; n < sizeof functions / sizeof *functions; n++) {
        napi_create_function(env, functions[n].name, NAPI_AUTO_LENGTH, functions[n].call, own, &value);
        napi_set_named_property(env, object, functions[n].name, value);
    }
    return object;
}

static napi_value init(napi_env env, napi_value exports)
{
    napi_value function;
    napi_create_function(env, "connect", NAPI_AUTO_LENGTH, connect_store, NULL, &function);
    napi_set_named_property(env, exports, "connect", function);
    return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
