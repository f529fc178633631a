/* nx_fields: chosen members of a JSON object, copied out of a stream of any length.
 *
 * An agent hands its hook everything about an event, tool results of many megabytes included. The
 * service needs a few short members of the outermost object. This reader passes over the rest
 * without keeping it, in one pass and in memory that does not grow.
 *
 * It does not decide whether the input is valid JSON: the text it makes is small and its reader
 * does. It promises that valid input gives exactly the chosen members, that no input makes it read or
 * write beyond what it was given, and that its time is linear in the input.
 *
 * Kept are members of the outermost object whose name is in `names` and whose value is a string, a
 * number, true, false or null. A value that does not fit is left out as a whole and its name is
 * listed in a member "left_out", so that nothing is ever half a value.
 */
#ifndef NEXUS_HOOK_FIELDS_H
#define NEXUS_HOOK_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum nx_fields_status {
    NX_FIELDS_MORE,   /* the object is not closed yet */
    NX_FIELDS_DONE,   /* it is closed; further input is ignored */
    NX_FIELDS_BROKEN, /* this cannot be the text of a JSON object */
};

/* The most names that can be asked for, and the room of the caller's buffer that is kept for
 * listing those whose value did not fit. */
#define NX_FIELDS_NAMES 32
#define NX_FIELDS_RESERVE 1280
#define NX_FIELDS_LONGEST_NAME 31

/* All members are the reader's own. */
struct nx_fields {
    const char *const *names;
    size_t count;
    char *out;
    size_t capacity, used, mark;
    uint32_t left_out;
    char name[NX_FIELDS_LONGEST_NAME + 1];
    size_t name_length;
    int wanted; /* index into names, or -1 */
    int state, after_escape;
    size_t depth;
};

/* Start. `names` (of `count` <= NX_FIELDS_NAMES entries, each of at most NX_FIELDS_LONGEST_NAME
 * characters that need no escape in JSON) and `out` (of `capacity` > NX_FIELDS_RESERVE bytes) stay the
 * caller's and must live as long as the reader. */
void nx_fields_start(struct nx_fields *reader, const char *const *names, size_t count, char *out,
                     size_t capacity);

/* Read `size` more bytes. They may end anywhere, inside a character too. */
enum nx_fields_status nx_fields_feed(struct nx_fields *reader, const char *data, size_t size);

/* Close the text in `out`, a JSON object. Returns its length, or 0 when the object in the input was
 * not complete. To be called once, after the last feed. */
size_t nx_fields_finish(struct nx_fields *reader);

#endif
