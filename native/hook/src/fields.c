#include "nexus_hook_fields.h"

#include <stdbool.h>
#include <string.h>

enum state {
    START,        /* before the outermost { */
    BEFORE_NAME,  /* a name, a comma or the end */
    IN_NAME,
    AFTER_NAME,   /* the colon */
    BEFORE_VALUE,
    IN_STRING,    /* a string that is a member's whole value */
    IN_SCALAR,    /* a number, true, false or null */
    IN_NESTED,    /* inside an inner object or array */
    IN_NESTED_STRING,
    DONE,
    BROKEN,
};

void nx_fields_start(struct nx_fields *reader, const char *const *names, size_t count, char *out,
                     size_t capacity)
{
    memset(reader, 0, sizeof *reader);
    reader->names = names;
    reader->count = count < NX_FIELDS_NAMES ? count : NX_FIELDS_NAMES;
    reader->out = out;
    reader->capacity = capacity - NX_FIELDS_RESERVE;
    reader->wanted = -1;
    reader->state = START;
    reader->out[reader->used++] = '{';
}

/* Give up on the value being copied: forget what was written of it, and note its name. */
static void drop(struct nx_fields *reader)
{
    reader->used = reader->mark;
    reader->left_out |= UINT32_C(1) << reader->wanted;
    reader->wanted = -1;
}

static void copy(struct nx_fields *reader, const char *data, size_t size)
{
    if (reader->wanted < 0)
        return;
    if (size > reader->capacity - reader->used) {
        drop(reader);
        return;
    }
    memcpy(reader->out + reader->used, data, size);
    reader->used += size;
}

static int find(const struct nx_fields *reader)
{
    for (size_t i = 0; i < reader->count; i++)
        if (strlen(reader->names[i]) == reader->name_length
            && memcmp(reader->names[i], reader->name, reader->name_length) == 0)
            return (int)i;
    return -1;
}

/* A value that may be kept begins: its name goes out first. */
static void begin(struct nx_fields *reader)
{
    reader->mark = reader->used;
    if (reader->wanted < 0)
        return;
    if (reader->used > 1)
        copy(reader, ",", 1);
    copy(reader, "\"", 1);
    copy(reader, reader->name, reader->name_length);
    copy(reader, "\":", 2);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The length of the beginning of `data` that holds neither a quote nor a backslash. */
static size_t plain(const char *data, size_t size)
{
    size_t n = 0;
    while (n < size && data[n] != '"' && data[n] != '\\')
        n++;
    return n;
}

/* Read a part of a string. Returns how many bytes were used; `*closed` says whether it ended. */
static size_t in_string(struct nx_fields *reader, const char *data, size_t size, bool keep, bool *closed)
{
    *closed = false;
    size_t used = 1;
    if (reader->after_escape) {
        reader->after_escape = 0;
    } else {
        used = plain(data, size);
        if (used < size) {
            *closed = data[used] == '"';
            reader->after_escape = !*closed;
            used++;
        }
    }
    if (keep)
        copy(reader, data, used);
    return used;
}

static size_t in_name(struct nx_fields *reader, const char *data, size_t size)
{
    bool closed;
    size_t used = in_string(reader, data, size, false, &closed);
    size_t length = used - (closed ? 1 : 0);
    /* One more than the longest: such a name is none of ours, and stays none of ours. */
    size_t room = sizeof reader->name - reader->name_length;
    if (length > room)
        length = room;
    memcpy(reader->name + reader->name_length, data, length);
    reader->name_length += length;
    if (closed)
        reader->state = AFTER_NAME;
    return used;
}

static void before_value(struct nx_fields *reader, char byte)
{
    if (is_space(byte))
        return;
    reader->wanted = find(reader);
    if (byte == '{' || byte == '[') {
        reader->wanted = -1;
        reader->depth = 1;
        reader->state = IN_NESTED;
    } else {
        begin(reader);
        copy(reader, &byte, 1);
        reader->state = byte == '"' ? IN_STRING : IN_SCALAR;
    }
}

/* One byte between the parts of the object. */
static void step(struct nx_fields *reader, char byte)
{
    if (is_space(byte))
        return;
    switch (reader->state) {
    case START:
        reader->state = byte == '{' ? BEFORE_NAME : BROKEN;
        break;
    case BEFORE_NAME:
        reader->name_length = 0;
        if (byte == '"')
            reader->state = IN_NAME;
        else if (byte == '}')
            reader->state = DONE;
        else if (byte != ',')
            reader->state = BROKEN;
        break;
    default:
        reader->state = byte == ':' ? BEFORE_VALUE : BROKEN;
    }
}

static void in_nested(struct nx_fields *reader, char byte)
{
    if (byte == '"')
        reader->state = IN_NESTED_STRING;
    else if (byte == '{' || byte == '[')
        reader->depth++;
    else if ((byte == '}' || byte == ']') && --reader->depth == 0)
        reader->state = BEFORE_NAME;
}

enum nx_fields_status nx_fields_feed(struct nx_fields *reader, const char *data, size_t size)
{
    while (size > 0 && reader->state != DONE && reader->state != BROKEN) {
        size_t used = 1;
        bool closed = false;
        switch (reader->state) {
        case IN_NAME:
            used = in_name(reader, data, size);
            break;
        case BEFORE_VALUE:
            before_value(reader, *data);
            break;
        case IN_STRING:
            used = in_string(reader, data, size, true, &closed);
            if (closed)
                reader->state = BEFORE_NAME;
            break;
        case IN_NESTED_STRING:
            used = in_string(reader, data, size, false, &closed);
            if (closed)
                reader->state = IN_NESTED;
            break;
        case IN_NESTED:
            in_nested(reader, *data);
            break;
        case IN_SCALAR:
            if (*data == ',' || *data == '}' || is_space(*data)) {
                reader->state = BEFORE_NAME;
                used = 0; /* the comma or the brace is the object's */
            } else {
                copy(reader, data, 1);
            }
            break;
        default:
            step(reader, *data);
        }
        data += used;
        size -= used;
    }
    return reader->state == DONE     ? NX_FIELDS_DONE
           : reader->state == BROKEN ? NX_FIELDS_BROKEN
                                     : NX_FIELDS_MORE;
}

static void append(struct nx_fields *reader, const char *text)
{
    size_t size = strlen(text);
    memcpy(reader->out + reader->used, text, size);
    reader->used += size;
}

size_t nx_fields_finish(struct nx_fields *reader)
{
    if (reader->state != DONE)
        return 0;
    /* 32 names of 31 characters with quotes and commas are 1,088 bytes: the reserve holds them all. */
    if (reader->left_out) {
        append(reader, reader->used > 1 ? ",\"left_out\":[" : "\"left_out\":[");
        const char *comma = "";
        for (size_t i = 0; i < reader->count; i++) {
            if (!(reader->left_out >> i & 1))
                continue;
            append(reader, comma);
            append(reader, "\"");
            append(reader, reader->names[i]);
            append(reader, "\"");
            comma = ",";
        }
        append(reader, "]");
    }
    append(reader, "}");
    return reader->used;
}
