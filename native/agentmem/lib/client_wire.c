/* Talking with the broker: one request and its answer at a time, over one SEQPACKET socket.
 *
 * Follows wire.h. Does not know what a request means. Invariants: the caller has `wire`; an answer is taken
 * only when it has the sequence number of the request, so one that came after its time-out harms nobody;
 * every file descriptor that arrives is handed on or closed; EINTR is never seen outside.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "passing.h"

int64_t am_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void am_wire_close(struct am_call *call)
{
    if (call->answer_fd >= 0)
        close(call->answer_fd);
    call->answer_fd = -1;
}

void am_wire_rest(struct am_client *client)
{
    /* Threads that wait at the same time do not wake at the same time. */
    struct timespec rest = {0, 1000000 + (long)(((uintptr_t)&rest >> 4 ^ (uintptr_t)client) % 7) * 1000000};
    nanosleep(&rest, NULL);
}

void am_wire_gone(struct am_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static int gone(struct am_client *client, const char *how)
{
    am_wire_gone(client);
    return am_client_fail(AM_EBROKER,
                          "the broker at %s went away (%s); start nexus-agentmemd and call am_reconnect",
                          client->socket, how);
}

/* 0 when the socket is ready, AM_EBROKER when the time is over. */
static int ready(struct am_client *client, int fd, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - am_clock_ms();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return am_client_fail(AM_EBROKER, "cannot wait for the broker at %s: %m", client->socket);
        if (n == 0 && left <= 0)
            return am_client_fail(AM_EBROKER, "the broker at %s did not answer within %u ms; is it stopped?",
                                  client->socket, client->options.timeout_ms);
    }
}

static int send_call(struct am_client *client, const struct am_call *call, const struct am_request *request,
                     int64_t until)
{
    struct iovec parts[4] = {{(void *)(uintptr_t)request, sizeof *request}};
    for (int n = 0; n < 3; n++)
        parts[n + 1] = (struct iovec){(void *)(uintptr_t)call->part[n].data, call->part[n].length};
    union am_passing room;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 4};
    am_pass(&message, &room, call->send_fd);
    for (;;) {
        if (sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno == EAGAIN) {
            int status = ready(client, client->fd, POLLOUT, until);
            if (status != 0)
                return status;
        } else if (errno == ETOOMANYREFS || errno == EMFILE) {
            return am_client_fail(AM_EFILES, "too many files are on their way to the broker: %m");
        } else if (errno == ENOMEM || errno == ENOBUFS) {
            return am_client_fail(AM_ENOMEM, "no memory to send %u bytes to the broker", request->bytes);
        } else if (errno != EINTR) {
            return gone(client, strerror(errno));
        }
    }
}

/* One packet. The file that came with it is in *fd, or -1. */
static int receive(struct am_client *client, int socket, struct am_answer *answer, void *body, size_t room,
                   int *fd, int64_t until)
{
    union am_passing passing;
    struct iovec parts[2] = {{answer, sizeof *answer}, {body, room}};
    for (;;) {
        struct msghdr message = {.msg_iov = parts,
                                 .msg_iovlen = 2,
                                 .msg_control = &passing,
                                 .msg_controllen = sizeof passing};
        *fd = -1;
        ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) {
            int status = ready(client, socket, POLLIN, until);
            if (status != 0)
                return status;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gone(client, strerror(errno));
        *fd = am_passed(&message);
        if (got == 0) {
            if (*fd >= 0)
                close(*fd);
            *fd = -1;
            return gone(client, "it closed the connection");
        }
        if (*fd < 0 && message.msg_flags & MSG_CTRUNC)
            return am_client_fail(
                AM_EFILES, "no file descriptor is left to take the broker's file; close some or raise the "
                           "limit (ulimit -n)");
        if ((size_t)got < sizeof *answer || message.msg_flags & MSG_TRUNC
            || answer->bytes != (size_t)got - sizeof *answer) {
            if (*fd >= 0)
                close(*fd);
            *fd = -1;
            return gone(client, "its answer has another length than it says");
        }
        return 0;
    }
}

/* The answer to request `sequence`; others are of requests that nobody waits for any more. */
static int await(struct am_client *client, uint64_t sequence, uint16_t flags, struct am_call *call,
                 int64_t until)
{
    for (;;) {
        struct am_answer answer;
        int status = ready(client, client->fd, POLLIN, until); /* it is hardly ever there already */
        if (status != 0)
            return status;
        status = receive(client, client->fd, &answer, client->packet, sizeof client->packet, &call->answer_fd,
                         until);
        if (status != 0)
            return status;
        if (answer.sequence == sequence && answer.flags == flags) {
            call->answer_bytes = answer.bytes;
            if (answer.status > 0 || answer.operation != call->operation) {
                am_wire_close(call);
                return gone(client, "its answer is not to what was asked");
            }
            if (answer.status != 0)
                am_wire_close(call);
            return answer.status == 0 ? 0 : am_client_fail_text(answer.status, client->packet, answer.bytes);
        }
        am_wire_close(call);
        if (answer.sequence > sequence)
            return gone(client, "it answers what was not asked");
    }
}

static int begin(struct am_client *client, const struct am_call *call, uint16_t flags, int64_t until)
{
    size_t bytes = call->part[0].length + call->part[1].length + call->part[2].length;
    if (atomic_load(&client->forked))
        return am_client_fail(AM_EFORKED,
                              "this client was made in the parent of a fork; connect again in the child");
    if (client->fd < 0)
        return am_client_fail(AM_EBROKER, "there is no connection to the broker at %s; call am_reconnect",
                              client->socket);
    struct am_request request = {.operation = (uint16_t)call->operation,
                                 .flags = flags,
                                 .bytes = (uint32_t)bytes,
                                 .sequence = ++client->sequence};
    return send_call(client, call, &request, until);
}

int am_wire_call(struct am_client *client, struct am_call *call)
{
    int64_t until = am_clock_ms() + client->options.timeout_ms;
    call->answer_fd = -1;
    call->answer_bytes = 0;
    int status = begin(client, call, 0, until);
    return status != 0 ? status : await(client, client->sequence, 0, call, until);
}

void am_wire_tell(struct am_client *client, enum am_operation operation, const void *data, size_t length)
{
    struct am_call call = {.operation = operation, .part = {{data, length}}, .send_fd = -1, .answer_fd = -1};
    pthread_mutex_lock(&client->wire);
    begin(client, &call, AM_SILENT, am_clock_ms() + client->options.timeout_ms);
    pthread_mutex_unlock(&client->wire);
}

int am_wire_ask(struct am_client *client, struct am_call *call, void *body, size_t room)
{
    int64_t until = am_clock_ms() + client->options.timeout_ms;
    for (;;) {
        pthread_mutex_lock(&client->wire);
        int status = am_wire_call(client, call);
        if (status == 0 && body != NULL && call->answer_bytes != room) {
            am_wire_close(call);
            status = am_client_fail(AM_EPROTOCOL, "the broker answered %zu bytes where %zu are due",
                                    call->answer_bytes, room);
        }
        if (status == 0 && body != NULL)
            memcpy(body, client->packet, room);
        if (client->views != NULL && !atomic_load(&client->forked)) {
            pthread_mutex_lock(&client->local);
            am_view_sweep(client);
            pthread_mutex_unlock(&client->local);
        }
        pthread_mutex_unlock(&client->wire);
        if (status != AM_EBUSY || am_clock_ms() >= until)
            return status;
        am_wire_rest(client);
    }
}

static int dial(struct am_client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, client->socket, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return am_client_fail(AM_EFILES, "no socket to the broker: %m");
    uint32_t wait = client->options.timeout_ms;
    struct timeval limit = {wait / 1000, wait % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
               sizeof limit); /* connect obeys it when the broker's queue is full */
    while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        if (errno != EINTR) {
            int denied = errno == EACCES || errno == EPERM, error = errno;
            close(fd);
            return am_client_fail(denied ? AM_EACCESS : AM_EBROKER,
                                  "no broker answers at %s (%s); start nexus-agentmemd", client->socket,
                                  strerror(error));
        }
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid != geteuid()
        && peer.uid != 0) {
        close(fd);
        return am_client_fail(AM_EACCESS, "the broker at %s belongs to user %u, not to you", client->socket,
                              peer.uid);
    }
    return fd;
}

int am_wire_open(struct am_client *client, struct am_welcome *welcome, int *table, int *page)
{
    am_wire_gone(client);
    int fd = dial(client);
    if (fd < 0)
        return fd;
    client->fd = fd;
    client->sequence = 0;
    const am_options *options = &client->options;
    struct am_hello hello = {.wire = AM_WIRE,
                             .api = AM_API,
                             .importance = options->importance,
                             .flags = options->durable ? AM_HELLO_DURABLE : 0,
                             .pid = options->pid,
                             .realm_bytes = (uint16_t)strlen(client->realm),
                             .agent_bytes = (uint16_t)strlen(client->agent)};
    struct am_call call = {.operation = AM_OP_HELLO,
                           .send_fd = -1,
                           .part = {{&hello, sizeof hello},
                                    {client->realm, hello.realm_bytes},
                                    {client->agent, hello.agent_bytes}}};
    int status = am_wire_call(client, &call);
    *table = call.answer_fd;
    *page = -1;
    if (status == 0 && call.answer_bytes == sizeof *welcome)
        memcpy(welcome, client->packet, sizeof *welcome);
    else if (status == 0)
        status = am_client_fail(AM_EPROTOCOL,
                                "the broker's welcome has %zu bytes, not %zu; install the same version of "
                                "library and broker",
                                call.answer_bytes, sizeof *welcome);
    if (status == 0 && (welcome->wire != AM_WIRE || welcome->layout != AM_LAYOUT))
        status =
            am_client_fail(AM_EPROTOCOL,
                           "the broker speaks version %u with layout %u, this library %u and %u; install "
                           "the same version of both",
                           welcome->wire, welcome->layout, AM_WIRE, AM_LAYOUT);
    if (status == 0) {
        status = await(client, client->sequence, AM_SECOND, &call, am_clock_ms() + options->timeout_ms);
        *page = status == 0 ? call.answer_fd : -1;
    }
    if (status == 0 && (*table < 0 || *page < 0))
        status = am_client_fail(AM_EPROTOCOL, "the broker's welcome came without its table or page");
    if (status != 0) {
        if (*table >= 0)
            close(*table);
        if (*page >= 0)
            close(*page);
        *table = *page = -1;
        am_wire_gone(client);
    }
    return status;
}
