#include "nexus_relay.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST_HEAD 65536
#define LARGEST_REPLY ((size_t)256 << 20)

int nx_connect(const char *url, int timeout_seconds)
{
    char host[64] = "", port[8] = "";
    if (sscanf(url, "http://[%63[0-9a-fA-F:.]]:%7[0-9]", host, port) != 2
        && sscanf(url, "http://%63[0-9.]:%7[0-9]", host, port) != 2)
        return -1;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int connection = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct timeval limit = {.tv_sec = timeout_seconds};
    if (connection >= 0
        && (setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0
            || setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0
            || setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0
            || connect(connection, found->ai_addr, found->ai_addrlen) != 0)) {
        close(connection);
        connection = -1;
    }
    freeaddrinfo(found);
    return connection;
}

/* What was received and not used yet. */
struct input {
    int connection, late;
    size_t at, size;
    char data[4096];
};

static int fill(struct input *in)
{
    ssize_t n;
    do
        n = recv(in->connection, in->data, sizeof in->data, 0);
    while (n < 0 && errno == EINTR);
    in->late = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    in->at = 0;
    in->size = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : -1;
}

/* A line without its end. Returns 0, or -1 where it breaks off or is too long. */
static int line(struct input *in, char *out, size_t capacity)
{
    for (size_t n = 0;;) {
        if (in->at == in->size && fill(in) != 0)
            return -1;
        char c = in->data[in->at++];
        if (c == '\n') {
            if (n > 0 && out[n - 1] == '\r')
                n--;
            out[n] = 0;
            return 0;
        }
        if (n + 1 >= capacity)
            return -1;
        out[n++] = c;
    }
}

/* `size` more bytes of the body. Returns 0 or -1. */
static int take(struct input *in, struct nx_reply *reply, size_t size)
{
    if (size > LARGEST_REPLY - reply->size)
        return -1;
    char *grown = realloc(reply->body, reply->size + size + 1);
    if (grown == NULL)
        return -1;
    reply->body = grown;
    while (size > 0) {
        if (in->at == in->size && fill(in) != 0)
            return -1;
        size_t here = in->size - in->at < size ? in->size - in->at : size;
        memcpy(reply->body + reply->size, in->data + in->at, here);
        in->at += here;
        reply->size += here;
        size -= here;
    }
    reply->body[reply->size] = 0;
    return 0;
}

static int number(const char *text, int base, size_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, base);
    if (end == text || *text == '-' || *text == '+' || errno || value > LARGEST_REPLY)
        return -1;
    *out = (size_t)value;
    return 0;
}

static int chunks(struct input *in, struct nx_reply *reply, char *text, size_t capacity)
{
    size_t size;
    do {
        if (line(in, text, capacity) != 0 || number(text, 16, &size) != 0 || take(in, reply, size) != 0)
            return -1;
        /* After a chunk its end; after the last one the lines that follow it. */
        do
            if (line(in, text, capacity) != 0)
                return -1;
        while (size == 0 && *text);
    } while (size > 0);
    return 0;
}

static int receive(struct input *in, struct nx_reply *reply)
{
    char text[LONGEST_HEAD / 16];
    size_t length = SIZE_MAX, head = 0;
    int chunked = 0;
    do {
        if (line(in, text, sizeof text) != 0 || sscanf(text, "HTTP/1.1 %3d", &reply->status) != 1)
            return -1;
        reply->reusable = 1;
        for (;;) {
            if (line(in, text, sizeof text) != 0 || (head += strlen(text)) > LONGEST_HEAD)
                return -1;
            if (*text == 0)
                break;
            char *said = strchr(text, ':');
            if (said == NULL)
                return -1;
            *said++ = 0;
            said += strspn(said, " \t");
            if (strcasecmp(text, "content-length") == 0 && number(said, 10, &length) != 0)
                return -1;
            if (strcasecmp(text, "transfer-encoding") == 0)
                chunked = strcasecmp(said, "chunked") == 0;
            if (strcasecmp(text, "connection") == 0 && strcasecmp(said, "close") == 0)
                reply->reusable = 0;
        }
    } while (reply->status < 200); /* 100 and its like come before the reply itself */
    if (chunked)
        return chunks(in, reply, text, sizeof text);
    if (length == SIZE_MAX && reply->status != 204)
        return -1;
    return take(in, reply, length == SIZE_MAX ? 0 : length);
}

static int send_all(int connection, const char *data, size_t size, int flags)
{
    while (size > 0) {
        ssize_t n = send(connection, data, size, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

struct nx_reply nx_post(int connection, const char *headers, struct nx_span body)
{
    struct nx_reply reply = {.state = NX_REPLY_BROKEN};
    struct input in = {.connection = connection};
    char first[128];
    int size = snprintf(first, sizeof first, "POST /mcp HTTP/1.1\r\ncontent-length: %zu\r\n", body.size);
    if (send_all(connection, first, (size_t)size, MSG_MORE) == 0
        && send_all(connection, headers, strlen(headers), MSG_MORE) == 0
        && send_all(connection, "\r\n", 2, MSG_MORE) == 0 && send_all(connection, body.at, body.size, 0) == 0)
        reply.state = receive(&in, &reply) == 0 ? NX_REPLY_WHOLE : in.late ? NX_REPLY_LATE : NX_REPLY_BROKEN;
    if (reply.state != NX_REPLY_WHOLE)
        reply.reusable = 0;
    return reply;
}
