/* See server.h: what each request does. Nothing here parses; nothing here blocks. */
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_zero(const am_id *id)
{
    static const am_id zero;
    return memcmp(id, &zero, sizeof zero) == 0;
}

static void plain(const struct am_ask *ask, int status)
{
    if (status == AM_OK)
        am_answer(ask, AM_OK, NULL, 0, -1, 0);
    else
        am_refuse_as_store(ask, status);
}

/* Where a unit is; held in that place until the client has taken its reference. */
void am_answer_placed(const struct am_ask *ask, int status, const struct am_placed *placed)
{
    if (status != AM_OK) {
        am_refuse_as_store(ask, status);
        return;
    }
    if (placed->tier == AM_HOT && !(ask->flags & AM_SILENT))
        am_connection_hold(ask->connection, placed->number);
    am_answer(ask, AM_OK, placed, sizeof *placed, -1, 0);
}

static void placed(void *context, int status, const struct am_placed *place)
{
    struct am_ask *ask = context;
    ask->connection->server->touched = true;
    am_answer_placed(ask, status, place);
    am_ask_end(ask);
}

static void behind(void *context, int status, const struct am_placed *place)
{
    struct am_connection *own = context;
    (void)status, (void)place;
    own->behind--;
    am_connection_attend(own);
}

static void heat(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    struct am_agent *agent = own->member->agent;
    if (own->behind + said->count > AM_BEHIND) {
        am_refuse(ask, AM_EBUSY,
                  "%u restores are under way for this client, at most %u may be; wait for some", own->behind,
                  AM_BEHIND);
        return;
    }
    for (uint32_t i = 0; i < said->count; i++) {
        am_id id;
        memcpy(&id, said->ids + i * sizeof id, sizeof id);
        own->behind++;
        am_heat(own->server->store, agent, &id, behind, own);
    }
    am_answer(ask, AM_OK, NULL, 0, -1, 0);
}

/* An agent of this realm by name; an empty name is the asking one. NULL: refused. */
static struct am_agent *agent_named(const struct am_ask *ask, const struct am_name *name)
{
    struct am_connection *own = ask->connection;
    if (!name->bytes)
        return own->member->agent;
    struct am_agent *agent = am_agent_find(own->server->store, own->member->realm, name->at, name->bytes);
    if (!agent)
        am_refuse(ask, AM_ENOTFOUND, "there is no agent %.*s in this realm", (int)name->bytes, name->at);
    return agent;
}

/* The target may leave while the unit is restored; its connection, and with it the agent, stays till then. */
struct sharing { struct am_ask ask; struct am_connection *target; };

static void shared(void *context, int status, const struct am_placed *place)
{
    struct am_connection *target = ((struct sharing *)context)->target;
    placed(context, status, place);
    if (target) {
        target->behind--;
        am_connection_attend(target);
    }
}

static void share(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    struct am_agent *target = said->name.bytes ? agent_named(ask, &said->name) : NULL;
    if (said->name.bytes && !target)
        return;
    struct am_ask *kept = am_ask_keep(ask, sizeof(struct sharing));
    if (!kept)
        return;
    struct am_connection *at = target ? own->server->connections : NULL;
    while (at && (at->dead || !at->member || at->member->agent != target))
        at = at->next;
    ((struct sharing *)kept)->target = at;
    if (at)
        at->behind++;
    am_store_share(own->server->store, own->member->agent, &said->id, target, shared, kept);
}

static void acquire(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    struct am_ask *kept = am_ask_keep(ask, sizeof *kept);
    if (kept)
        am_heat(own->server->store, own->member->agent, &said->id, placed, kept);
}

static void segment(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    int fd = -1;
    const int status = am_segment_fd(own->server->store, own->member->agent, said->segment.segment,
                                     said->segment.generation, &fd);
    if (status == AM_OK)
        am_answer(ask, AM_OK, NULL, 0, fd, 0);
    else
        am_refuse_as_store(ask, status);
}

static void state(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_server *server = ask->connection->server;
    struct am_agent *agent = agent_named(ask, &said->name);
    if (!agent)
        return;
    const int status = am_agent_set(server->store, agent, (int)said->state, said->importance);
    struct am_member *member = am_member_of(server, agent);
    if (status == AM_OK && said->state && member) {
        member->state = (int)said->state;
        member->used_ms = am_loop_now();
        am_server_wake(server, member->used_ms + server->start->options->idle_after_ms);
    }
    plain(ask, status);
}

static void head_get(const struct am_ask *ask, const struct am_checked *said)
{
    struct am_connection *own = ask->connection;
    struct am_placed place = {0};
    const int status =
        am_head_read(own->server->store, own->member->agent, said->name.at, said->name.bytes, &place);
    am_answer_placed(ask, status, &place);
}

/* Requests of an attached client; true when the store may have work of it. */
static bool attached(const struct am_ask *ask, const struct am_checked *said, int descriptor)
{
    struct am_connection *own = ask->connection;
    struct am_store *store = own->server->store;
    struct am_agent *agent = own->member->agent;
    switch (said->operation) {
    case AM_OP_PUBLISH: am_publish_request(ask, said, descriptor); return true;
    case AM_OP_ACQUIRE: acquire(ask, said); return true;
    case AM_OP_SEGMENT: segment(ask, said); return false;
    case AM_OP_OWN: plain(ask, am_store_own(store, agent, &said->id)); return false;
    case AM_OP_DISOWN: plain(ask, am_store_disown(store, agent, &said->id)); return true;
    case AM_OP_MARK: plain(ask, am_store_mark(store, agent, &said->id, said->importance)); return false;
    case AM_OP_HEAT: heat(ask, said); return true;
    case AM_OP_SHARE: share(ask, said); return true;
    case AM_OP_HEAD_SET:
        plain(ask, am_head_write(store, agent, said->name.at, said->name.bytes,
                                 is_zero(&said->id) ? NULL : &said->id));
        return true;
    case AM_OP_HEAD_GET: head_get(ask, said); return false;
    case AM_OP_STATE: state(ask, said); return true;
    case AM_OP_INVENTORY: am_report_inventory(ask); return false;
    case AM_OP_FORGET: {
        struct am_agent *named = agent_named(ask, &said->name);
        if (named) {
            plain(ask, am_agent_disown_all(store, named));
            am_agent_forgotten(store, named);
        }
        return true;
    }
    default: return false; /* those that need no agent: am_request */
    }
}

void am_request(const struct am_ask *ask, const struct am_checked *said, int descriptor)
{
    struct am_connection *own = ask->connection;
    switch (said->operation) {
    case AM_OP_HELLO: am_hello(ask, said); return;
    case AM_OP_STATS: am_report_stats(ask, said->flags & AM_TEXT); return;
    case AM_OP_AGENTS: am_report_agents(ask); return;
    default: break;
    }
    if (!own->member) {
        if (descriptor >= 0)
            close(descriptor);
        am_refuse(ask, AM_EPROTOCOL, "%s before HELLO", am_operation_name(said->operation));
        am_connection_close(own, "a request before HELLO");
        return;
    }
    if (said->operation != AM_OP_STATE) /* what is paused is not woken by being asked about */
        am_member_used(own, am_loop_now());
    if (attached(ask, said, descriptor))
        own->server->touched = true;
}
