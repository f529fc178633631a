/* See server.h: accepting, the deadlines, and the turn of the loop. */
#include "server.h"

#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_LEAST_MS 50 /* deadlines are looked at no more often */
#define TOUCHED_MS 20     /* the store is ticked so soon after a request that changed it */

void am_server_wake(struct am_server *server, uint64_t at_ms)
{
    if (at_ms < server->check_at_ms)
        server->check_at_ms = at_ms;
}

uint64_t am_patience(const struct am_server *server)
{
    return am_loop_now() + server->start->options->patience_ms;
}

void am_turn_away(int fd, int status, const char *text)
{
    const size_t bytes = strnlen(text, 256);
    struct { struct am_answer head; char text[256]; } answer = {
        .head = {.operation = AM_OP_HELLO, .status = status, .bytes = (uint32_t)bytes, .sequence = 1}};
    struct am_request first;
    if (recv(fd, &first, sizeof first, MSG_DONTWAIT) >= (ssize_t)sizeof first)
        answer.head.sequence = first.sequence;
    memcpy(answer.text, text, bytes);
    if (send(fd, &answer, sizeof answer.head + bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        am_say("turned_away", "told=no errno=%d", errno);
    close(fd);
}

/* Without a descriptor left, accept fails and the listener stays readable: the loop would spin. The spare
 * one is given up to take the client and tell it, and nobody is accepted for a moment. */
static void out_of_files(struct am_server *server)
{
    static const char *const text = "the broker has no file descriptors left; close clients, or raise its "
                                    "limit";
    server->counts.out_of_files++;
    server->counts.refused++;
    if (server->spare >= 0) {
        close(server->spare);
        const int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            am_turn_away(fd, AM_EFILES, text);
    }
    server->spare = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    am_say("out_of_files", "connections=%u queued_files=%u", server->connected, server->queued_files);
    am_loop_change(server->loop, &server->listener, 0);
    server->listen_at_ms = am_loop_now() + AM_FILES_PAUSE_MS;
    am_server_wake(server, server->listen_at_ms);
}

static void accept_some(struct am_watch *watch, uint32_t events)
{
    static const char *const text = "as many clients as this broker serves are connected; close some, or "
                                    "give it more "
                                    "with --connections";
    struct am_server *server = (struct am_server *)((char *)watch - offsetof(struct am_server, listener));
    (void)events;
    for (unsigned i = 0; i < AM_PACKETS_A_TURN; i++) {
        const int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                out_of_files(server);
            return;
        }
        if (server->connected >= server->start->options->connections) {
            server->counts.refused++;
            am_turn_away(fd, AM_EBUSY, text);
        } else
            am_connection_accept(server, fd);
    }
}

static void pool_ready(struct am_watch *watch, uint32_t events)
{
    struct am_server *server = (struct am_server *)((char *)watch - offsetof(struct am_server, pool_watch));
    (void)events;
    am_pool_finish(server->pool);
    server->touched = true;
}

int am_server_open(struct am_server *server, int listener)
{
    server->spare = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    server->started_ms = am_loop_now();
    server->listener.ready = accept_some;
    server->pool_watch.ready = pool_ready;
    server->check_at_ms = server->listen_at_ms = UINT64_MAX;
    int status = am_loop_add(server->loop, &server->listener, listener, EPOLLIN);
    if (status == AM_OK && am_pool_fd(server->pool) >= 0)
        status = am_loop_add(server->loop, &server->pool_watch, am_pool_fd(server->pool), EPOLLIN);
    return status;
}

static void check(struct am_server *server, uint64_t now)
{
    server->check_at_ms = UINT64_MAX;
    if (server->listen_at_ms <= now) {
        server->listen_at_ms = UINT64_MAX;
        am_loop_change(server->loop, &server->listener, EPOLLIN);
    }
    am_server_wake(server, server->listen_at_ms);
    for (struct am_connection *at = server->connections, *next; at; at = next) {
        next = at->next;
        am_connection_check(at, now);
    }
    am_server_wake(server, am_member_check(server, now));
    if (server->check_at_ms < now + CHECK_LEAST_MS)
        server->check_at_ms = now + CHECK_LEAST_MS;
}

static void tick(struct am_server *server, uint64_t now)
{
    const uint32_t wait = am_store_tick(server->store, am_pressure_level(server->pressure, now));
    server->tick_at_ms = am_loop_now() + wait;
}

void am_server_turn(struct am_server *server)
{
    uint64_t until = server->tick_at_ms < server->check_at_ms ? server->tick_at_ms : server->check_at_ms;
    if (server->pressure->poll_at_ms < until)
        until = server->pressure->poll_at_ms;
    const uint64_t events = server->pressure->events;
    am_loop_turn(server->loop, until);
    const uint64_t now = am_loop_now();
    am_pressure_poll(server->pressure, now);
    if (server->touched && server->tick_at_ms > now + TOUCHED_MS)
        server->tick_at_ms = now + TOUCHED_MS;
    server->touched = false;
    if (server->pressure->events != events)
        server->tick_at_ms = now;
    if (server->check_at_ms <= now)
        check(server, now);
    if (server->tick_at_ms <= now)
        tick(server, now);
    am_connection_reap(server);
}

void am_server_close(struct am_server *server)
{
    am_loop_remove(server->loop, &server->listener);
    for (struct am_connection *at = server->connections, *next; at; at = next) {
        next = at->next;
        am_connection_close(at, NULL);
    }
    /* What was under way finishes: its agents may be durable, and its answers go nowhere. */
    const uint64_t until = am_patience(server);
    am_connection_reap(server);
    while ((server->connections || am_pool_pending(server->pool)) && am_loop_now() < until) {
        if (!am_pool_pending(server->pool))
            am_store_tick(server->store, 0);
        am_pool_finish(server->pool);
        am_connection_reap(server);
        if (server->connections)
            usleep(1000);
    }
    am_loop_remove(server->loop, &server->pool_watch);
    while (server->members) {
        struct am_member *next = server->members->next;
        free(server->members);
        server->members = next;
    }
    if (server->spare >= 0)
        close(server->spare);
}
