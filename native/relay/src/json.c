#include "nexus_relay.h"

#include <string.h>

#define DEEPEST 1000

struct reader {
    const char *at, *end;
};

static void spaces(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Past a string that begins here. Returns -1 where it does not end, else whether it holds an escape. */
static int string(struct reader *r)
{
    int escaped = 0;
    for (r->at++; r->at < r->end; r->at++) {
        if (*r->at == '"') {
            r->at++;
            return escaped;
        }
        if (*r->at == '\\') {
            escaped = 1;
            r->at++;
        }
    }
    return -1;
}

/* Past a value that begins here. Returns 0, or -1 where it does not end. */
static int value(struct reader *r)
{
    size_t depth = 0;
    if (r->at < r->end && *r->at == '"')
        return string(r) < 0 ? -1 : 0;
    for (; r->at < r->end; r->at++) {
        char c = *r->at;
        if (c == '{' || c == '[') {
            if (++depth > DEEPEST)
                return -1;
        } else if (c == '"') {
            if (string(r) < 0)
                return -1;
            r->at--;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return 0;
            if (--depth == 0) {
                r->at++;
                return 0;
            }
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            return 0;
        }
    }
    return depth ? -1 : 0;
}

/* The next member. Returns 1, 0 at the end of the object or what cannot be one. */
static int next(struct reader *r, struct nx_span *name, int *escaped, struct nx_span *found)
{
    spaces(r);
    if (r->at < r->end && *r->at == ',') {
        r->at++;
        spaces(r);
    }
    if (r->at >= r->end || *r->at != '"')
        return 0;
    const char *start = r->at;
    if ((*escaped = string(r)) < 0)
        return 0;
    *name = (struct nx_span){start + 1, (size_t)(r->at - start) - 2};
    spaces(r);
    if (r->at >= r->end || *r->at++ != ':')
        return 0;
    spaces(r);
    start = r->at;
    if (value(r) != 0 || r->at == start)
        return 0;
    *found = (struct nx_span){start, (size_t)(r->at - start)};
    return 1;
}

static struct reader object(struct nx_span text)
{
    struct reader r = {text.at, text.at ? text.at + text.size : text.at};
    spaces(&r);
    if (r.at < r.end && *r.at == '{')
        r.at++;
    else
        r.at = r.end;
    return r;
}

struct nx_span nx_member(struct nx_span text, const char *wanted)
{
    struct nx_span name, found, last = {NULL, 0};
    struct reader r = object(text);
    int escaped;
    while (next(&r, &name, &escaped, &found))
        if (name.size == strlen(wanted) && memcmp(name.at, wanted, name.size) == 0)
            last = found;
    return last;
}

int nx_is_plain_object(struct nx_span text)
{
    struct nx_span name, found;
    struct reader r = object(text);
    int escaped;
    while (next(&r, &name, &escaped, &found))
        if (escaped)
            return 0;
    if (r.at >= r.end || *r.at++ != '}')
        return 0;
    spaces(&r);
    return r.at == r.end;
}

int nx_plain_string(struct nx_span text, char *out, size_t capacity)
{
    if (text.size < 2 || text.at[0] != '"' || text.size - 2 >= capacity)
        return -1;
    for (size_t i = 1; i < text.size - 1; i++)
        if (text.at[i] < ' ' || text.at[i] > '~' || text.at[i] == '\\')
            return -1;
    memcpy(out, text.at + 1, text.size - 2);
    out[text.size - 2] = 0;
    return 0;
}
