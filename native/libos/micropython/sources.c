/* The text of code that was run, for tracebacks. Files that came with the guest are read where they lie; what
 * came by fetch is copied and kept for the last few pieces. */
#include <string.h>

#include "py/objlist.h"
#include "py/objstr.h"
#include "py/runtime.h"

#include "guest.h"

#define KEPT 16

/* Pairs: a name, then its text. */
MP_REGISTER_ROOT_POINTER(mp_obj_t nx_sources[2 * 16]);

void nx_source_add(qstr name, const char *text, size_t size)
{
    mp_obj_t *pairs = MP_STATE_VM(nx_sources);
    memmove(pairs + 2, pairs, (2 * KEPT - 2) * sizeof *pairs);
    pairs[0] = MP_OBJ_NEW_QSTR(name);
    pairs[1] = MP_OBJ_NULL; /* should the copy fail */
    pairs[1] = mp_obj_new_bytes((const byte *)text, size);
}

static const char *text_of(qstr name, size_t *size)
{
    const mp_obj_t *pairs = MP_STATE_VM(nx_sources);
    for (size_t i = 0; i < 2 * KEPT; i += 2)
        if (pairs[i] == MP_OBJ_NEW_QSTR(name) && pairs[i + 1])
            return mp_obj_str_get_data(pairs[i + 1], size);
    const char *path = qstr_str(name);
    size_t length = strlen(path);
    return length > 3 && !strcmp(path + length - 3, ".py") ? nx_guest_file(path, size) : NULL;
}

const char *nx_source_line(qstr name, size_t number, size_t *size)
{
    size_t left;
    const char *at = text_of(name, &left);
    if (!at || !number)
        return NULL;
    for (; number > 1; number--) {
        const char *end = memchr(at, '\n', left);
        if (!end)
            return NULL;
        left -= (size_t)(end + 1 - at);
        at = end + 1;
    }
    const char *end = memchr(at, '\n', left);
    *size = end ? (size_t)(end - at) : left;
    return at;
}
