/* See server.h: packets in and out, and how a connection ends. */
#include "server.h"

#include "journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_LOOKED_FOR 4 /* room for more than the one that is allowed, to tell too many from none left */

/* What is waited for now; and for a closed one, whether it is over. */
void am_connection_attend(struct am_connection *own)
{
    const bool read = own->asks + own->queued < AM_IN_FLIGHT;
    const uint32_t events = (read ? (uint32_t)EPOLLIN : 0) | (own->first ? (uint32_t)EPOLLOUT : 0);
    if (own->closed) {
        if (own->asks == 0 && own->behind == 0 && !own->dead) {
            own->dead = true;
            own->next_dead = own->server->dead;
            own->server->dead = own;
        }
        return;
    }
    if (own->watch.on && events != own->events)
        am_loop_change(own->server->loop, &own->watch, own->events = events);
    else if (own->watch.on)
        return;
    else if (read
             && am_loop_add(own->server->loop, &own->watch, own->watch.fd, own->events = events) != AM_OK)
        am_connection_close(own, "the kernel watches no more descriptors");
}

/* The closed ones for which nothing is under way any more: agent and page go. Only at the end of a turn,
 * because a connection may be closed in the middle of a call of the store for it. */
void am_connection_reap(struct am_server *server)
{
    while (server->dead) {
        struct am_connection *own = server->dead;
        server->dead = own->next_dead;
        if (own->reader) {
            am_reader_close(server->store, own->reader);
            am_member_leave(own);
            server->touched = true;
        }
        *(own->before ? &own->before->next : &server->connections) = own->next;
        if (own->next)
            own->next->before = own->before;
        explicit_bzero(&own->welcome, sizeof own->welcome);
        free(own);
    }
}

void am_connection_close(struct am_connection *own, const char *reason)
{
    struct am_server *server = own->server;
    if (own->closed)
        return;
    own->closed = own->gone = true;
    server->connected--;
    server->counts.closed++;
    if (reason) {
        char name[96];
        am_say("closed", "client_pid=%d agent=%s reason=\"%s\"", own->process.pid,
               am_journal_text(name, sizeof name, own->name, strlen(own->name)), reason);
    }
    am_loop_remove(server->loop, &own->watch);
    am_loop_remove(server->loop, &own->process_watch);
    close(own->watch.fd);
    if (own->process.pidfd >= 0)
        close(own->process.pidfd);
    am_queue_drop(own);
    am_connection_attend(own);
}

void am_connection_hold(struct am_connection *own, uint32_t number)
{
    if (!own->reader || own->closed || (!number && !own->held_until_ms))
        return;
    am_reader_hold(own->reader, number);
    own->held_until_ms = number ? am_loop_now() + AM_HOLD_MS : 0;
    if (number)
        am_server_wake(own->server, own->held_until_ms);
}

void am_connection_check(struct am_connection *own, uint64_t now)
{
    if (own->closed)
        return;
    if (own->held_until_ms && own->held_until_ms <= now)
        am_connection_hold(own, 0);
    if (own->held_until_ms)
        am_server_wake(own->server, own->held_until_ms);
    if (own->patience_ms <= now) {
        own->server->counts.slow_closed++;
        am_connection_close(own, own->member ? "it does not take its answers" : "it did not say HELLO");
    } else
        am_server_wake(own->server, own->patience_ms);
}

/* The descriptor of a message: 0 and *fd (-1: none), AM_EPROTOCOL, or AM_EFILES when the kernel had no
 * place for it. Room for several is given, so that the kernel's cut tells one from the other. */
static int descriptor_of(struct msghdr *message, int *fd)
{
    int fds[FILES_LOOKED_FOR], count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
            const size_t here = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < here && count < FILES_LOOKED_FOR; i++)
                memcpy(&fds[count++], CMSG_DATA(head) + i * sizeof(int), sizeof(int));
        }
    const bool cut = message->msg_flags & MSG_CTRUNC;
    *fd = -1;
    if (count == 1 && !cut) {
        *fd = fds[0];
        return AM_OK;
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count == 0 && !cut ? AM_OK : cut && count < FILES_LOOKED_FOR ? AM_EFILES : AM_EPROTOCOL;
}

static void packet(struct am_connection *own, size_t bytes, int fd, int broken)
{
    struct am_server *server = own->server;
    struct am_checked checked;
    char text[AM_REFUSAL];
    const int status = am_wire_check(server->packet, bytes, fd >= 0 || broken == AM_EFILES, &checked, text);
    const struct am_ask ask = {own, checked.sequence, (uint16_t)checked.operation, checked.flags};
    server->counts.requests++;
    server->counts.bytes_in += bytes;
    server->counts.by_operation[checked.operation <= AM_OP_LAST ? checked.operation : 0]++;
    am_connection_hold(own, 0);
    if (own->refused) {
        am_refuse(&ask, own->refused, "this broker serves user %u; you are user %u: start one of your own",
                  geteuid(), own->process.user);
        am_connection_close(own, "another user");
    } else if (broken == AM_EPROTOCOL || status == AM_EPROTOCOL) {
        struct am_ask heard = ask;
        heard.flags = 0; /* also one that wanted no answer learns why it is closed */
        const char *why = broken == AM_EPROTOCOL ? "a packet comes with at most one descriptor" : text;
        am_refuse(&heard, AM_EPROTOCOL, "%s", why);
        server->counts.broken_closed++;
        am_connection_close(own, why);
    } else if (broken == AM_EFILES)
        am_refuse(&ask, AM_EFILES, "the broker has no descriptor left for the one that came; try again");
    else if (status != AM_OK)
        am_refuse(&ask, status, "%s", text);
    else {
        am_request(&ask, &checked, fd);
        return; /* the descriptor is theirs */
    }
    if (fd >= 0)
        close(fd);
}

/* One packet. false: there is none, or the connection is closed. */
static bool receive(struct am_connection *own)
{
    struct am_server *server = own->server;
    union { struct cmsghdr head; char room[CMSG_SPACE(FILES_LOOKED_FOR * sizeof(int))]; } control;
    struct iovec part = {server->packet, sizeof server->packet};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    const ssize_t bytes = recvmsg(own->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (bytes < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            am_connection_close(own, errno == ECONNRESET ? NULL : strerror(errno));
        return false;
    }
    int fd, broken = descriptor_of(&message, &fd);
    if (bytes == 0) { /* the end; or an empty packet, which is no request either */
        if (fd >= 0)
            close(fd);
        am_connection_close(own, NULL);
        return false;
    }
    if (message.msg_flags & MSG_TRUNC) {
        if (fd >= 0)
            close(fd);
        const struct am_request *head = (const void *)server->packet;
        const struct am_ask ask = {own, head->sequence, head->operation, 0};
        am_refuse(&ask, AM_EPROTOCOL, "a packet of more than %u bytes", AM_PACKET);
        server->counts.broken_closed++;
        am_connection_close(own, "a packet too large");
        return false;
    }
    packet(own, (size_t)bytes, fd, broken);
    return !own->closed;
}

static void socket_ready(struct am_watch *watch, uint32_t events)
{
    struct am_connection *own = (struct am_connection *)watch;
    if (events & EPOLLOUT)
        am_queue_flush(own);
    if (events & (EPOLLHUP | EPOLLERR)) {
        own->gone = true; /* the kernel tells this again and again: no answers, and read to the end */
        am_queue_drop(own);
    }
    for (unsigned i = 0; i < AM_PACKETS_A_TURN && own->asks + own->queued < AM_IN_FLIGHT; i++)
        if (!receive(own))
            break;
    if (own->closed)
        return;
    if (own->gone && own->asks >= AM_IN_FLIGHT)
        am_loop_remove(own->server->loop, &own->watch); /* until one of its requests has ended */
    else
        am_connection_attend(own);
}

/* The process that the agent lives in has ended, whoever else may hold the socket. What it had sent
 * counts. */
static void process_ready(struct am_watch *watch, uint32_t events)
{
    struct am_connection *own = (struct am_connection *)((char *)watch
                                                         - offsetof(struct am_connection, process_watch));
    (void)events;
    own->server->counts.processes_ended++;
    own->gone = true;
    for (unsigned i = 0; i < AM_LAST_PACKETS; i++)
        if (!receive(own))
            break;
    if (!own->closed)
        am_connection_close(own, NULL);
}

void am_connection_accept(struct am_server *server, int fd)
{
    struct am_process process;
    const int status = am_process_of_peer(fd, &process);
    struct am_connection *own = status == AM_OK ? calloc(1, sizeof *own) : NULL;
    if (!own) {
        server->counts.refused++;
        if (status == AM_EFILES)
            server->counts.out_of_files++;
        am_turn_away(fd, status == AM_OK ? AM_ENOMEM : status,
                     status == AM_EFILES ? "the broker has no file descriptors left; close clients, or raise "
                                           "its limit"
                     : status == AM_OK   ? "the broker has no memory for another client"
                                         : "your process has ended");
        if (status == AM_OK && process.pidfd >= 0)
            close(process.pidfd);
        return;
    }
    own->server = server;
    own->process = process;
    own->watch.ready = socket_ready;
    own->watch.fd = fd;
    own->events = EPOLLIN;
    own->process_watch.ready = process_ready;
    own->patience_ms = am_patience(server);
    own->next = server->connections;
    if (own->next)
        own->next->before = own;
    server->connections = own;
    server->connected++;
    server->counts.accepted++;
    if (process.user != geteuid()) {
        own->refused = AM_EACCESS;
        server->counts.refused++;
    }
    am_server_wake(server, own->patience_ms);
    if (am_loop_add(server->loop, &own->watch, fd, EPOLLIN) != AM_OK
        || (process.pidfd >= 0
            && am_loop_add(server->loop, &own->process_watch, process.pidfd, EPOLLIN) != AM_OK)) {
        am_connection_close(own, "the kernel watches no more descriptors");
        return;
    }
    unsigned same = 0;
    for (const struct am_connection *at = server->connections; at && process.pid; at = at->next)
        same += !at->closed && at->process.pid == process.pid;
    if (same > AM_PER_PROCESS) {
        server->counts.refused++;
        const struct am_ask ask = {own, 1, AM_OP_HELLO, 0};
        am_refuse(&ask, AM_EBUSY,
                  "process %d has %u connections already; one is enough for any number of threads",
                  process.pid, AM_PER_PROCESS);
        am_connection_close(own, "one process has too many connections");
    }
}
