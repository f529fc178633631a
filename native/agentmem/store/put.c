/* What agents do with units: store, own, share, name. Every function here checks that the agent may. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int quota(struct am_store *store, const struct am_agent *agent, uint64_t length) {
    const struct am_store_options *limit = &store->options;
    if (limit->agent_units && agent->units >= limit->agent_units)
        return am_fail(store, AM_EQUOTA, "agent %s owns %llu units, its quota; disown what it does not need",
                       store->state->agents[agent->row].name, (unsigned long long)agent->units);
    if (limit->agent_bytes && agent->bytes + length > limit->agent_bytes)
        return am_fail(store, AM_EQUOTA, "agent %s owns %llu bytes and wants %llu more; its quota is %llu",
                       store->state->agents[agent->row].name, (unsigned long long)agent->bytes,
                       (unsigned long long)length, (unsigned long long)limit->agent_bytes);
    return 0;
}

static bool fits(const struct am_store *store, uint64_t length, uint64_t most) {
    return store->hot_bytes + length <= most;
}

/* Is there room for this many more raw bytes? A quarter above the limit is for what is on its way down. Who is told to
 * try again finds that something went since: what is gone leaves holes in a segment until that one is cleaned. */
static int room(struct am_store *store, uint64_t length) {
    const uint64_t limit = store->options.hot_bytes, hard = limit + limit / 4;
    const uint64_t before = store->counted.evictions_warm;
    if (fits(store, length, limit))
        return 0;
    am_cool(store, store->hot_bytes + length - limit, am_now(store), 1);
    bool going = store->cooling_bytes || store->counted.evictions_warm != before;
    for (uint32_t i = 0; i < AM_REALMS && !going && !fits(store, length, hard); i++)
        going = store->realm[i] && am_space_clean(store->realm[i], AM_CLEAN_BYTES) > 0;
    if (fits(store, length, hard))
        return 0;
    if (going)
        return am_fail(store, AM_EBUSY, "memory is being freed for %llu bytes; try again",
                       (unsigned long long)length);
    return am_fail(
        store, AM_ENOMEM, "%llu bytes do not fit: %llu of %llu are used and nothing may be evicted",
        (unsigned long long)length, (unsigned long long)store->hot_bytes, (unsigned long long)hard);
}

static void newest(struct am_agent *agent, uint32_t number) {
    agent->newest[agent->newest_at++ % AM_POLICY_RECENT] = number;
    agent->realm->store->state->agents[agent->row].used_ms = am_now(agent->realm->store);
}

int am_put(struct am_store *store, struct am_agent *agent, const struct am_content *content,
           struct am_placed *placed) {
    struct am_realm *realm = agent->realm;
    if (content->type < AM_CONVERSATION || content->type > AM_KV_PAGE)
        return am_fail(store, AM_ETYPE, "%u is not a type of unit", content->type);
    if (content->length > AM_LARGEST_UNIT)
        return am_fail(store, AM_ESIZE, "%llu bytes in one unit: %llu are the limit",
                       (unsigned long long)content->length, (unsigned long long)AM_LARGEST_UNIT);
    bool added;
    int status;
    uint32_t number = am_table_find(realm, &content->id);
    bool existed = number != 0;
    if (existed) {
        if (!am_agent_may(agent, number)) /* cannot be: a private id is keyed with the agent */
            return am_fail(store, AM_EACCESS, "this unit is private to another agent");
        bool owns = am_owner_has(store, agent, number);
        status = owns ? 0 : quota(store, agent, content->length);
        if (!status &&
            am_state_of(realm, number) != AM_STATE_HOT) { /* the bytes are at hand: no need to restore them */
            status = room(store, content->length);
            if (!status && am_state_of(realm, number) != AM_STATE_HOT) {
                int fd = content->fd >= 0 ? dup(content->fd) : -1;
                status = content->fd >= 0 && fd < 0 ? am_fail(store, AM_EFILES, "no file descriptors left")
                                                    : am_unit_fill(realm, number, content->bytes, fd);
                if (status && fd >= 0)
                    close(fd);
                realm->meta[number].lost = 0;
            }
        }
        if (!status)
            status = am_owner_add(store, agent, number, &added);
        if (status)
            return status;
        am_unit_used(realm, number);
        store->counted.found++;
    } else {
        status = quota(store, agent, content->length);
        if (!status && content->form == AM_ROPE) {
            if (content->fd >= 0 || content->length % sizeof(am_piece))
                return am_fail(store, AM_EINVAL,
                               "a rope of %llu bytes: it is a list of pieces of %zu bytes, at most %u in all",
                               (unsigned long long)content->length, sizeof(am_piece), AM_INLINE);
            status = am_rope_check(agent, content->bytes, content->length / sizeof(am_piece));
        } else if (!status && content->form != AM_RAW) {
            status = am_fail(store, AM_EINVAL, "%u is not a form of unit", content->form);
        }
        if (!status)
            status = room(store, content->length);
        if (!status)
            status = am_owners_room(store);
        if (!status)
            status = am_unit_make(realm, content->private_space ? agent->row + 1 : 0, content, &number);
        if (status)
            return status;
        if (content->form == AM_ROPE)
            am_rope_children(realm, number, content->bytes, content->length / sizeof(am_piece), 1);
        status = am_owner_add(store, agent, number, &added);
        if (status) {
            am_unit_doom(realm, number);
            return status;
        }
        am_learn(realm, number);
    }
    newest(agent, number);
    store->counted.publishes++;
    am_unit_placed(realm, number, existed, placed);
    return 0;
}

int am_segment_fd(struct am_store *store, struct am_agent *agent, uint32_t segment, uint32_t generation,
                  int *fd) {
    struct am_realm *realm = agent->realm;
    if (segment >= realm->segment_high || realm->segment[segment].fd < 0 ||
        atomic_load(&realm->generation[segment]) != generation)
        return am_fail(store, AM_ENOTFOUND, "segment %u of generation %u is gone; look the unit up again",
                       segment, generation);
    uint32_t space = realm->segment[segment].space;
    if (space && space != agent->row + 1)
        return am_fail(store, AM_EACCESS, "segment %u is private to another agent", segment);
    *fd = realm->segment[segment].fd;
    return 0;
}

/* The unit of this id that the agent may see, or the reason why not. */
static int seen(struct am_store *store, struct am_agent *agent, const am_id *id, uint32_t *number) {
    *number = am_agent_sees(agent, id);
    if (*number)
        return 0;
    return am_table_find(agent->realm, id)
               ? am_fail(store, AM_EACCESS, "this unit is private to another agent; its owner may share it")
               : am_fail(store, AM_ENOTFOUND, "no unit of this id in this realm; publish it");
}

int am_store_own(struct am_store *store, struct am_agent *agent, const am_id *id) {
    uint32_t number;
    bool added;
    int status = seen(store, agent, id, &number);
    if (!status && !am_owner_has(store, agent, number))
        status = quota(store, agent, am_length(agent->realm, number));
    return status ? status : am_owner_add(store, agent, number, &added);
}

int am_store_disown(struct am_store *store, struct am_agent *agent, const am_id *id) {
    uint32_t number;
    int status = seen(store, agent, id, &number);
    if (!status && !am_owner_remove(store, agent, number))
        status = am_fail(store, AM_ENOTFOUND, "agent %s does not own this unit",
                         store->state->agents[agent->row].name);
    return status;
}

int am_store_mark(struct am_store *store, struct am_agent *agent, const am_id *id, uint32_t importance) {
    uint32_t number;
    int status = seen(store, agent, id, &number);
    if (!status && importance > 100)
        status = am_fail(store, AM_EINVAL, "importance %u: it is 0 to 100", importance);
    if (!status)
        agent->realm->meta[number].importance = (uint8_t)importance;
    return status;
}

struct sharing {
    struct am_store *store;
    struct am_realm *realm;
    uint32_t owner_row, owner_serial; /* who gets it: may have ended when the unit is restored */
    bool to_agent;                    /* into its private space; else the realm's, for the one who shares */
    am_heated *done;
    void *context;
};

static void share_hot(void *context, int status, const struct am_placed *from) {
    struct sharing *sharing = context;
    struct am_store *store = sharing->store;
    struct am_realm *realm = sharing->realm;
    struct am_agent *owner = store->agent[sharing->owner_row];
    struct am_placed placed;
    if (!status &&
        (!owner || owner->ended || store->state->agents[sharing->owner_row].serial != sharing->owner_serial))
        status = am_fail(store, AM_ENOTFOUND, "the agent that was to own the shared unit has ended");
    if (!status && from->form == AM_ROPE)
        status = am_fail(store, AM_EINVAL,
                         "a rope is shared piece by piece: share its pieces, then make a rope of them");
    if (!status) {
        const uint8_t *bytes = am_bytes_of(realm, from->number);
        struct am_content content = {.length = from->length,
                                     .bytes = bytes,
                                     .fd = -1,
                                     .type = from->type,
                                     .form = from->form,
                                     .private_space = sharing->to_agent};
        am_unit_id(sharing->to_agent ? owner->key : realm->key, from->type, from->form, bytes, from->length,
                   content.id.bytes);
        am_unit_pin(realm, from->number); /* am_put may clean segments */
        status = am_put(store, owner, &content, &placed);
        am_unit_unpin(realm, from->number);
    }
    sharing->done(sharing->context, status, status ? NULL : &placed);
    free(sharing);
}

void am_store_share(struct am_store *store, struct am_agent *agent, const am_id *id, struct am_agent *target,
                    am_heated *done, void *context) {
    struct sharing *sharing = malloc(sizeof *sharing);
    if (!sharing) {
        done(context, am_fail(store, AM_ENOMEM, "no memory to share a unit"), NULL);
        return;
    }
    uint32_t row = (target ? target : agent)->row;
    *sharing = (struct sharing){store,          agent->realm, row,    store->state->agents[row].serial,
                                target != NULL, done,         context};
    am_heat(store, agent, id, share_hot, sharing);
}
