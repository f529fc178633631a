/* See wire_check.h. */
#include "wire_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian and is copied as it is");

struct body { const uint8_t *at; size_t bytes; bool descriptor; char *text; };

__attribute__((format(printf, 3, 4))) static int refuse(const struct body *body, int status,
                                                        const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(body->text, AM_REFUSAL, format, values);
    va_end(values);
    return status;
}

static bool is_zero(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++)
        if (at[i])
            return false;
    return true;
}

/* A prefix of the body of exactly this size. */
static int take(struct body *body, void *out, size_t bytes, const char *what)
{
    if (body->bytes < bytes)
        return refuse(body, AM_EPROTOCOL, "%s takes %zu bytes, the request has %zu", what, bytes,
                      body->bytes);
    memcpy(out, body->at, bytes);
    body->at += bytes;
    body->bytes -= bytes;
    return AM_OK;
}

static int at_end(const struct body *body)
{
    return body->bytes ? refuse(body, AM_EPROTOCOL, "%zu bytes too many in the request", body->bytes) : AM_OK;
}

/* Bytes of the UTF-8 character here, 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut). RFC
 * 3629. */
static size_t character(const uint8_t *at, size_t bytes)
{
    static const struct { uint8_t mask, lead, count, low, high; } forms[] = {
        {0x80, 0x00, 1, 0, 0},           {0xff, 0xe0, 3, 0xa0, 0xbf}, {0xff, 0xed, 3, 0x80, 0x9f},
        {0xff, 0xf0, 4, 0x90, 0xbf},     {0xff, 0xf4, 4, 0x80, 0x8f}, {0xe0, 0xc0, 2, 0x80, 0xbf},
        {0xf0, 0xe0, 3, 0x80, 0xbf},     {0xf8, 0xf0, 4, 0x80, 0xbf},
    };
    if (at[0] == 0xc0 || at[0] == 0xc1 || at[0] > 0xf4)
        return 0;
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        if ((at[0] & forms[form].mask) != forms[form].lead)
            continue;
        if (forms[form].count > bytes)
            return 0;
        for (size_t i = 1; i < forms[form].count; i++)
            if (at[i] < (i == 1 ? forms[form].low : 0x80) || at[i] > (i == 1 ? forms[form].high : 0xbf))
                return 0;
        return forms[form].count;
    }
    return 0;
}

/* What a name may be, wherever one is given. */
static int name(struct body *body, size_t bytes, bool empty_allowed, const char *what, struct am_name *out)
{
    if (body->bytes < bytes)
        return refuse(body, AM_EPROTOCOL, "the %s's name takes %zu bytes, the request has %zu", what, bytes,
                      body->bytes);
    if (bytes == 0 && !empty_allowed)
        return refuse(body, AM_EINVAL, "the %s's name is empty; give it 1 to %d bytes", what,
                      AM_NAME_BYTES - 1);
    if (bytes >= AM_NAME_BYTES)
        return refuse(body, AM_EINVAL, "the %s's name has %zu bytes; at most %d are allowed", what, bytes,
                      AM_NAME_BYTES - 1);
    for (size_t i = 0; i < bytes;) {
        const size_t width = character(body->at + i, bytes - i);
        if (width == 0 || body->at[i] < ' ' || body->at[i] == 0x7f)
            return refuse(body, AM_EINVAL,
                          "byte %zu of the %s's name is 0x%02x: names are UTF-8 without control "
                          "characters",
                          i, what, body->at[i]);
        i += width;
    }
    *out = (struct am_name){(const char *)body->at, bytes};
    body->at += bytes;
    body->bytes -= bytes;
    return AM_OK;
}

static int rest_is_name(struct body *body, bool empty_allowed, const char *what, struct am_name *out)
{
    return name(body, body->bytes, empty_allowed, what, out);
}

static int importance(const struct body *body, uint32_t value, bool leave)
{
    if (value <= 100 || (leave && value == AM_LEAVE))
        return AM_OK;
    return refuse(body, AM_EINVAL, "importance %u; it is 0 to 100", value);
}

static int hello(struct body *body, struct am_checked *out)
{
    int status = take(body, &out->hello, sizeof out->hello, "HELLO");
    if (status)
        return status;
    const struct am_hello *said = &out->hello;
    if (said->wire != AM_WIRE || said->api != AM_API)
        return refuse(body, AM_EPROTOCOL,
                      "the client speaks wire %u, API %u; this broker speaks wire %u, API %d: "
                      "install the same version of both",
                      said->wire, said->api, AM_WIRE, AM_API);
    if ((size_t)said->realm_bytes + said->agent_bytes != body->bytes)
        return refuse(body, AM_EPROTOCOL, "HELLO says names of %u and %u bytes, %zu came", said->realm_bytes,
                      said->agent_bytes, body->bytes);
    if (said->flags & ~AM_HELLO_DURABLE)
        return refuse(body, AM_EPROTOCOL, "HELLO has flags 0x%x; only 0x%x is known", said->flags,
                      AM_HELLO_DURABLE);
    if (said->pid < 0)
        return refuse(body, AM_EINVAL, "pid %d; give a process of this user, or 0 for your own", said->pid);
    if ((status = importance(body, said->importance, false)) != AM_OK
        || (status = name(body, said->realm_bytes, false, "realm", &out->realm)) != AM_OK)
        return status;
    return name(body, said->agent_bytes, false, "agent", &out->name);
}

static int publish(struct body *body, struct am_checked *out)
{
    int status = take(body, &out->publish, sizeof out->publish, "PUBLISH");
    if (status)
        return status;
    const struct am_publish_body *said = &out->publish;
    out->id = said->id;
    if (!is_zero(said->zero, sizeof said->zero))
        return refuse(body, AM_EPROTOCOL, "PUBLISH has something where zeros belong");
    if (!body->descriptor && said->length != body->bytes)
        return refuse(body, AM_EPROTOCOL, "PUBLISH says %llu bytes, %zu came",
                      (unsigned long long)said->length, body->bytes);
    if (body->descriptor && body->bytes)
        return refuse(body, AM_EPROTOCOL, "PUBLISH brings a descriptor and %zu bytes; one of them",
                      body->bytes);
    if (said->private_space > 1)
        return refuse(body, AM_EINVAL, "private_space %u; it is 0 or 1", said->private_space);
    if (said->type < AM_CONVERSATION || said->type > AM_KV_PAGE)
        return refuse(body, AM_ETYPE, "type %u; types are %d to %d", said->type, AM_CONVERSATION, AM_KV_PAGE);
    if (said->form != AM_RAW && said->form != AM_ROPE)
        return refuse(body, AM_EINVAL, "form %u; forms are %d (raw) and %d (rope)", said->form, AM_RAW,
                      AM_ROPE);
    if (!body->descriptor && said->length > AM_INLINE)
        return refuse(body, AM_ESIZE, "%llu bytes in the message; above %u give a sealed memfd",
                      (unsigned long long)said->length, AM_INLINE);
    if (said->length > AM_LARGEST_UNIT)
        return refuse(body, AM_ESIZE, "a unit of %llu bytes; the largest is %llu",
                      (unsigned long long)said->length, AM_LARGEST_UNIT);
    if (said->form == AM_ROPE && (said->length == 0 || said->length % sizeof(am_piece)))
        return refuse(body, AM_ESIZE, "a rope of %llu bytes; it is one or more pieces of %zu",
                      (unsigned long long)said->length, sizeof(am_piece));
    out->bytes = body->descriptor ? NULL : body->at;
    return AM_OK;
}

static int ids(struct body *body, struct am_checked *out)
{
    if (body->bytes == 0 || body->bytes % sizeof(am_id))
        return refuse(body, AM_EPROTOCOL, "%zu bytes of ids; an id has %zu", body->bytes, sizeof(am_id));
    out->ids = body->at;
    out->count = (uint32_t)(body->bytes / sizeof(am_id));
    return AM_OK;
}

static int state(struct body *body, struct am_checked *out)
{
    struct am_state_body said;
    int status = take(body, &said, sizeof said, "STATE");
    if (status)
        return status;
    out->state = said.state;
    out->importance = said.importance;
    if (said.state > AM_PAUSED)
        return refuse(body, AM_EINVAL,
                      "state %u; 0 (leave), %d active, %d idle, %d paused; an agent is killed by "
                      "ending its process",
                      said.state, AM_ACTIVE, AM_IDLE, AM_PAUSED);
    if ((status = importance(body, said.importance, true)) != AM_OK)
        return status;
    return rest_is_name(body, true, "agent", &out->name);
}

static int mark(struct body *body, struct am_checked *out)
{
    struct am_mark_body said;
    const int status = take(body, &said, sizeof said, "MARK");
    if (status)
        return status;
    if (said.zero)
        return refuse(body, AM_EPROTOCOL, "MARK has 0x%x where zeros belong", said.zero);
    out->id = said.id;
    out->importance = said.importance;
    return importance(body, said.importance, false);
}

static int id_and_name(struct body *body, struct am_checked *out)
{
    const bool head = out->operation == AM_OP_HEAD_SET;
    const int status = take(body, &out->id, sizeof out->id, head ? "HEAD_SET" : "SHARE");
    return status ? status : rest_is_name(body, !head, head ? "head" : "agent", &out->name);
}

static int by_operation(struct body *body, struct am_checked *out)
{
    int status = AM_OK;
    switch (out->operation) {
    case AM_OP_HELLO: return hello(body, out);
    case AM_OP_PUBLISH: return publish(body, out);
    case AM_OP_ACQUIRE: case AM_OP_OWN: case AM_OP_DISOWN:
        status = take(body, &out->id, sizeof out->id, am_operation_name(out->operation));
        return status ? status : at_end(body);
    case AM_OP_SEGMENT:
        status = take(body, &out->segment, sizeof out->segment, "SEGMENT");
        return status ? status : at_end(body);
    case AM_OP_MARK:
        status = mark(body, out);
        return status ? status : at_end(body);
    case AM_OP_HEAT: return ids(body, out);
    case AM_OP_SHARE: case AM_OP_HEAD_SET: return id_and_name(body, out);
    case AM_OP_HEAD_GET: return rest_is_name(body, false, "head", &out->name);
    case AM_OP_STATE: return state(body, out);
    case AM_OP_FORGET: return rest_is_name(body, true, "agent", &out->name);
    case AM_OP_AGENTS: case AM_OP_STATS: case AM_OP_INVENTORY: return at_end(body);
    }
    return refuse(body, AM_EPROTOCOL, "operation %u; operations are 1 to %u", out->operation, AM_OP_LAST);
}

int am_wire_check(const void *packet, size_t bytes, bool descriptor, struct am_checked *checked,
                  char text[AM_REFUSAL])
{
    struct am_request head = {0};
    struct body body = {packet, bytes, descriptor, text};
    memset(checked, 0, sizeof *checked);
    text[0] = 0;
    int status = take(&body, &head, sizeof head, "a request's head");
    if (status)
        return status;
    checked->operation = head.operation;
    checked->flags = head.flags;
    checked->sequence = head.sequence;
    if (head.bytes != body.bytes)
        return refuse(&body, AM_EPROTOCOL, "the request says %u bytes, %zu came", head.bytes, body.bytes);
    if (bytes > AM_PACKET)
        return refuse(&body, AM_EPROTOCOL, "a packet of %zu bytes; at most %u are allowed", bytes, AM_PACKET);
    const unsigned known = head.operation == AM_OP_STATS ? AM_SILENT | AM_TEXT : AM_SILENT;
    if (head.flags & ~known)
        return refuse(&body, AM_EPROTOCOL, "request %u has flags 0x%x, which are not known", head.operation,
                      head.flags);
    if (descriptor && head.operation != AM_OP_PUBLISH)
        return refuse(&body, AM_EPROTOCOL, "%s comes with a descriptor, which it does not take",
                      am_operation_name(head.operation));
    return by_operation(&body, checked);
}

char *am_id_text(const am_id *id, char text[AM_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        text[2 * i] = digits[id->bytes[i] >> 4];
        text[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    text[2 * sizeof id->bytes] = 0;
    return text;
}

const char *am_operation_name(unsigned operation)
{
    static const char *const names[] = {
        "?",        "HELLO",    "PUBLISH", "ACQUIRE", "SEGMENT", "OWN",   "DISOWN", "MARK",   "HEAT", "SHARE",
        "HEAD_SET", "HEAD_GET", "STATE",   "FORGET",  "AGENTS",  "STATS", "INVENTORY"};
    _Static_assert(sizeof names / sizeof *names == AM_OP_LAST + 1, "one name each");
    return names[operation <= AM_OP_LAST ? operation : 0];
}
