/* See server.h: attaching to a realm as an agent, and what becomes of agents when their clients are quiet
 * or end. */
#include "server.h"

#include "layout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct am_member *am_member_of(struct am_server *server, const struct am_agent *agent)
{
    struct am_member *at = server->members;
    while (at && at->agent != agent)
        at = at->next;
    return at;
}

static struct am_member *join(struct am_server *server, struct am_realm *realm, struct am_agent *agent)
{
    struct am_member *member = am_member_of(server, agent);
    if (!member) {
        if (!(member = calloc(1, sizeof *member)))
            return NULL;
        *member =
            (struct am_member){.next = server->members, .agent = agent, .realm = realm, .state = AM_ACTIVE};
        server->members = member;
    }
    member->connections++;
    return member;
}

/* One connection of its agent less; the store ends the agent with its last one, unless it is durable. */
void am_member_leave(struct am_connection *own)
{
    struct am_server *server = own->server;
    struct am_member *member = own->member, **at = &server->members;
    own->member = NULL;
    am_agent_close(server->store, member->agent);
    if (--member->connections)
        return;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    free(member);
}

void am_member_used(struct am_connection *own, uint64_t now_ms)
{
    struct am_member *member = own->member;
    member->used_ms = now_ms;
    if (member->state != AM_IDLE)
        return; /* what was paused by request is woken by request */
    member->state = AM_ACTIVE;
    am_agent_set(own->server->store, member->agent, AM_ACTIVE, AM_LEAVE);
    am_server_wake(own->server, now_ms + own->server->start->options->idle_after_ms);
}

uint64_t am_member_check(struct am_server *server, uint64_t now_ms)
{
    const uint64_t after = server->start->options->idle_after_ms;
    uint64_t next = UINT64_MAX;
    for (struct am_member *at = server->members; at; at = at->next) {
        if (at->state != AM_ACTIVE)
            continue;
        if (now_ms - at->used_ms >= after) {
            at->state = AM_IDLE;
            am_agent_set(server->store, at->agent, AM_IDLE, AM_LEAVE);
            server->touched = true;
        } else if (at->used_ms + after < next)
            next = at->used_ms + after;
    }
    return next;
}

/* The process whose end is the agent's: the peer, or another of the same user. */
static int choose_process(const struct am_ask *ask, int32_t pid)
{
    struct am_connection *own = ask->connection;
    struct am_process process;
    if (pid == 0 || pid == own->process.pid)
        return AM_OK;
    const int status = am_process_open(pid, &process);
    if (status != AM_OK) {
        am_refuse(ask, status, status == AM_EFILES ? "the broker has no descriptor left to watch process %d"
                                                   : "there is no process %d; give a running one, or 0", pid);
        return status;
    }
    if (process.user != geteuid()) {
        close(process.pidfd);
        am_refuse(ask, AM_EACCESS, "process %d belongs to user %u, not to %u", pid, process.user, geteuid());
        return AM_EACCESS;
    }
    am_loop_remove(own->server->loop, &own->process_watch);
    if (own->process.pidfd >= 0)
        close(own->process.pidfd);
    own->process = process;
    if (am_loop_add(own->server->loop, &own->process_watch, process.pidfd, EPOLLIN) == AM_OK)
        return AM_OK;
    am_refuse(ask, AM_EFILES, "the kernel watches no more descriptors, so not process %d; close clients",
              pid);
    return AM_EFILES;
}

static int attach(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    struct am_server *server = own->server;
    struct am_store *store = server->store;
    struct am_realm *realm;
    struct am_agent *agent;
    int status = am_realm_open(store, said->realm.at, said->realm.bytes, &realm);
    if (status == AM_OK)
        status =
            am_agent_open(store, realm, said->name.at, said->name.bytes, said->hello.flags & AM_HELLO_DURABLE,
                          said->hello.importance, own->process.pid, own->process.start, &agent);
    if (status != AM_OK) {
        am_refuse_as_store(ask, status);
        return status;
    }
    struct am_member *member = join(server, realm, agent);
    status = member ? am_reader_open(store, realm, agent, &own->reader) : AM_ENOMEM;
    if (status != AM_OK) {
        am_refuse_as_store(ask, status);
        own->reader = NULL;
        own->member = member;
        if (member)
            am_member_leave(own);
        else
            am_agent_close(store, agent);
        return status;
    }
    own->member = member;
    member->used_ms = am_loop_now();
    am_server_wake(server, member->used_ms + server->start->options->idle_after_ms);
    am_agent_keys(realm, agent, &own->welcome);
    own->welcome.wire = AM_WIRE;
    own->welcome.layout = AM_LAYOUT;
    own->welcome.epoch = am_store_epoch(store);
    memcpy(own->name, said->name.at, said->name.bytes); /* shorter than it, and zero behind */
    return AM_OK;
}

void am_hello(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    if (own->member) {
        am_refuse(ask, AM_EPROTOCOL, "HELLO again; one connection is one agent");
        am_connection_close(own, "HELLO again");
        return;
    }
    if (choose_process(ask, said->hello.pid) != AM_OK || attach(ask, said) != AM_OK)
        return;
    if (!own->first)
        own->patience_ms = UINT64_MAX;
    own->server->touched = true;
    am_answer(ask, AM_OK, &own->welcome, sizeof own->welcome, am_realm_table_fd(own->member->realm), 0);
    am_answer(ask, AM_OK, NULL, 0, am_reader_fd(own->reader), AM_SECOND);
}
