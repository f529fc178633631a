/* Bytes of units as JavaScript has them: buffers and strings outside V8's heap.
 *
 * Invariants: each keeps a reference of its own, so it outlives the Unit it came from and the store; a write
 * to a buffer is seen by nobody else (the mapping is private); a string's bytes are the shared ones, which
 * nobody can write.
 */
#include <stdlib.h>

#include "addon.h"

/* Smaller ones are copied: a page of its own would cost more, and a process may have 65,530 mappings. */
#define COPIED 16384u

struct outside {
    struct connection *own;
    am_unit unit;
    struct am_private map;
};

static void gone(napi_env env, void *data, void *hint)
{
    struct outside *outside = hint;
    struct connection *own = outside->own;
    (void)env, (void)data;
    am_private_unmap(&outside->map);
    am_release(own->client, &outside->unit);
    own->outside--;
    free(outside);
    rest(own);
}

/* A second reference to a held unit. */
static struct outside *outside_new(napi_env env, struct connection *own, const am_unit *unit)
{
    struct outside *made = calloc(1, sizeof *made);
    if (made == NULL) {
        raise_text(env, "AM_ENOMEM", "no memory for a buffer");
        return NULL;
    }
    int status = am_acquire(own->client, &unit->id, &made->unit);
    if (status != 0) {
        free(made);
        raise(env, status);
        return NULL;
    }
    made->own = own;
    own->outside++;
    return made;
}

napi_value unit_buffer(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, buffer = NULL;
    if (!begin(env, info, 1, &argument, &own))
        return NULL;
    const am_unit *unit = held(env, own, argument);
    if (unit == NULL)
        return NULL;
    if (unit->length < COPIED) {
        napi_create_buffer_copy(env, (size_t)unit->length, unit->data, NULL, &buffer);
        return buffer;
    }
    struct outside *outside = outside_new(env, own, unit);
    if (outside == NULL)
        return NULL;
    int status = am_private_map(own->client, &outside->unit, &outside->map);
    if (status != 0) {
        gone(env, NULL, outside);
        return raise(env, status);
    }
    if (napi_create_external_buffer(env, (size_t)unit->length, outside->map.data, gone, outside, &buffer)
        != napi_ok) {
        gone(env, NULL, outside);
        return raise_text(env, "AM_EINVAL", "this runtime takes no external buffers of this size");
    }
    return buffer;
}

napi_value unit_is_ascii(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, answer;
    if (!begin(env, info, 1, &argument, &own))
        return NULL;
    const am_unit *unit = held(env, own, argument);
    if (unit == NULL)
        return NULL;
    uint8_t any = 0;
    for (uint64_t at = 0; at < unit->length && any < 0x80;) {
        uint64_t end = unit->length - at < 4096 ? unit->length : at + 4096;
        for (; at < end; at++)
            any |= unit->data[at];
    }
    napi_get_boolean(env, any < 0x80, &answer);
    return answer;
}

napi_value unit_latin1(napi_env env, napi_callback_info info)
{
    struct connection *own;
    napi_value argument, string = NULL;
    bool copied = false;
    if (!begin(env, info, 1, &argument, &own))
        return NULL;
    const am_unit *unit = held(env, own, argument);
    if (unit == NULL)
        return NULL;
    if (unit->length < COPIED) {
        napi_create_string_latin1(env, (const char *)unit->data, (size_t)unit->length, &string);
        return string;
    }
    struct outside *outside = outside_new(env, own, unit);
    if (outside == NULL)
        return NULL;
    /* Where the runtime copies instead, it calls gone itself. */
    if (node_api_create_external_string_latin1(env, (char *)(uintptr_t)outside->unit.data,
                                               (size_t)unit->length, gone, outside, &string, &copied)
        != napi_ok) {
        gone(env, NULL, outside);
        return raise_text(env, "ERR_STRING_TOO_LONG",
                          "a JavaScript string cannot hold this unit; use its buffer");
    }
    return string;
}
