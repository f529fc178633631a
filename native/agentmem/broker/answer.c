/* See server.h: what goes to a client, at once or when it takes it. A packet is copied only when the
 * socket is full. */
#include "server.h"

#include "passing.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void am_queue_drop(struct am_connection *own)
{
    for (struct am_outgoing *next; own->first; own->first = next) {
        next = own->first->next;
        if (own->first->fd >= 0) {
            close(own->first->fd);
            own->server->queued_files--;
        }
        free(own->first);
    }
    own->queued = own->queued_bytes = 0;
}

/* 1: sent, 0: the socket is full, -1: the peer is gone or the packet cannot be sent. */
static int send_packet(struct am_connection *own, const struct iovec *parts, size_t count, int fd)
{
    union am_passing room;
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    am_pass(&message, &room, fd);
    ssize_t sent;
    do
        sent = sendmsg(own->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        own->server->counts.bytes_out += (uint64_t)sent;
        return 1;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

void am_queue_flush(struct am_connection *own)
{
    while (own->first) {
        struct am_outgoing *packet = own->first;
        const struct iovec part = {packet->packet, packet->bytes};
        const int sent = send_packet(own, &part, 1, packet->fd);
        if (sent == 0)
            break;
        if (sent < 0) {
            own->gone = true;
            am_queue_drop(own);
            break;
        }
        own->first = packet->next;
        own->queued--;
        own->queued_bytes -= packet->bytes;
        own->patience_ms = am_patience(own->server);
        if (packet->fd >= 0) {
            close(packet->fd);
            own->server->queued_files--;
        }
        free(packet);
    }
    if (!own->first && own->member)
        own->patience_ms = UINT64_MAX;
}

static void queue(struct am_connection *own, const struct am_answer *head, const void *body, int fd)
{
    struct am_server *server = own->server;
    const uint32_t bytes = (uint32_t)sizeof *head + head->bytes;
    if (own->queued_bytes + bytes > AM_QUEUE_BYTES || (fd >= 0 && server->queued_files >= AM_QUEUED_FILES)) {
        server->counts.slow_closed++;
        am_connection_close(own, fd >= 0 ? "it does not take its answers, and descriptors wait in them"
                                         : "it does not take its answers");
        return;
    }
    struct am_outgoing *packet = malloc(sizeof *packet + bytes);
    const int copy = fd >= 0 ? dup(fd) : -1;
    if (!packet || (fd >= 0 && copy < 0)) {
        free(packet);
        if (copy >= 0)
            close(copy);
        am_connection_close(own, "no memory or descriptors for an answer that it does not take");
        return;
    }
    *packet = (struct am_outgoing){.fd = copy, .bytes = bytes};
    memcpy(packet->packet, head, sizeof *head);
    if (head->bytes)
        memcpy(packet->packet + sizeof *head, body, head->bytes);
    if (copy >= 0)
        server->queued_files++;
    if (!own->first) {
        own->first = packet;
        own->patience_ms = am_patience(server);
        am_server_wake(server, own->patience_ms);
    } else
        own->last->next = packet;
    own->last = packet;
    own->queued++;
    own->queued_bytes += bytes;
    server->counts.packets_queued++;
    am_connection_attend(own);
}

void am_answer(const struct am_ask *ask, int status, const void *body, size_t bytes, int fd, uint16_t flags)
{
    struct am_connection *own = ask->connection;
    if (own->gone || (ask->flags & AM_SILENT))
        return;
    const struct am_answer head = {.operation = ask->operation, .flags = flags, .status = status,
                                   .bytes = (uint32_t)bytes, .sequence = ask->sequence};
    const struct iovec parts[2] = {{(void *)&head, sizeof head}, {(void *)body, bytes}};
    const int sent = own->first ? 0 : send_packet(own, parts, bytes ? 2 : 1, fd);
    if (sent == 0)
        queue(own, &head, body, fd);
    else if (sent < 0 && errno == ETOOMANYREFS && fd >= 0)
        am_refuse(ask, AM_EFILES,
                  "too many descriptors of this user are on their way; take the answers that wait");
    else if (sent < 0)
        own->gone = true; /* what it still has to say is read; its end is seen there */
}

const char *am_status_word(int status)
{
    static const char *const words[] = {"done",
                                        "a wrong value",
                                        "not found",
                                        "a wrong type",
                                        "a wrong size",
                                        "not sealed",
                                        "over the quota",
                                        "no memory",
                                        "the disk is full or failing",
                                        "damaged",
                                        "not allowed",
                                        "the broker went away",
                                        "forked",
                                        "against the protocol",
                                        "busy; try again",
                                        "no file descriptors left"};
    return status <= 0 && (size_t)-status < sizeof words / sizeof *words ? words[-status] : "failed";
}

void am_refuse_as_store(const struct am_ask *ask, int status)
{
    const char *text = am_store_error(ask->connection->server->store);
    am_refuse(ask, status, "%s", text && text[0] ? text : am_status_word(status));
}

void am_refuse(const struct am_ask *ask, int status, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    const int bytes = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    ask->connection->server->counts.refusals++;
    if (status == AM_EBUSY)
        ask->connection->server->counts.busy++;
    am_answer(ask, status, text,
              bytes < 0                     ? 0
              : (size_t)bytes < sizeof text ? (size_t)bytes
                                            : sizeof text - 1,
              -1, 0);
}

struct am_ask *am_ask_keep(const struct am_ask *ask, size_t bytes)
{
    struct am_ask *kept = calloc(1, bytes);
    if (!kept) {
        am_refuse(ask, AM_ENOMEM, "the broker has no memory for the request; try again");
        return NULL;
    }
    *kept = *ask;
    ask->connection->asks++;
    return kept;
}

void am_ask_end(struct am_ask *ask)
{
    struct am_connection *own = ask->connection;
    free(ask);
    own->asks--;
    am_connection_attend(own);
}
