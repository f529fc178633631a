/* What the relay needs of JSON and of HTTP, and no more.
 *
 * The JSON reader finds members of an object in a text that it does not trust: whatever the text is, nothing
 * outside of it is read. It does not judge whether the text is JSON; the service does. The HTTP client posts
 * one message and takes one reply, whole or not at all.
 */
#ifndef NEXUS_RELAY_H
#define NEXUS_RELAY_H

#include <stddef.h>

struct nx_span {
    const char *at; /* NULL where there is none */
    size_t size;
};

/* The value of the member `name` of the object in `text`, of the last one where there are several. A string
 * keeps its quotes. Names written with escapes are not recognised. */
struct nx_span nx_member(struct nx_span text, const char *name);

/* Copy a string of plain printable ASCII without escapes into `out`. Returns 0, or -1 for any other value. */
int nx_plain_string(struct nx_span value, char *out, size_t capacity);

/* Whether `text` is one object that is closed, with nothing but spaces after it, and no name of it is written
 * with an escape, so that nx_member sees all of them. What its values are is not judged. */
int nx_is_plain_object(struct nx_span text);

enum nx_reply_state { NX_REPLY_WHOLE, NX_REPLY_BROKEN, NX_REPLY_LATE };

struct nx_reply {
    enum nx_reply_state state;
    int status;
    int reusable; /* the connection may be used again */
    char *body;   /* to be freed; ends in a byte that is 0 and not counted */
    size_t size;
};

/* Connect to a service at `url`, http://ADDRESS:PORT with a numeric address. Returns a descriptor or -1. */
int nx_connect(const char *url, int timeout_seconds);

/* Post `body` with these headers ("name: value\r\n" each, "Host" among them) and take the reply. */
struct nx_reply nx_post(int connection, const char *headers, struct nx_span body);

#endif
