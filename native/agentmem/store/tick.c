/* Housekeeping: a little of everything, often. */
#include "inside.h"
#include "process.h"

#include <errno.h>
#include <signal.h>

#define AM_TICK_MS 1000u
#define AM_IDLE_TICK_MS 5000u
#define AM_FLUSH_MS 2000u

/* Is this process still the one that it was? Start times tell a number that is used again. */
static bool alive(int32_t pid, uint64_t start) {
    if (!pid || (kill(pid, 0) < 0 && errno == ESRCH))
        return false;
    uint64_t now;
    if (!am_process_start(pid, &now))
        return errno != ENOENT && errno != ESRCH; /* it cannot be read here: believe kill */
    return !start || now == start;
}

/* Agents without a connection: after a restart of the broker theirs may come back, or their process has
 * ended. */
static void agents(struct am_store *store, uint64_t now) {
    struct am_state *state = store->state;
    for (uint32_t row = 0; row < state->agent_high; row++) {
        struct am_agent *agent = store->agent[row];
        if (!agent)
            continue;
        if (agent->ended)
            am_agent_reap(store, agent);
        else if (!agent->connections && !state->agents[row].durable &&
                 !alive(state->agents[row].pid, state->agents[row].pid_start))
            am_agent_end(store, agent);
    }
    for (uint32_t i = 0; i < AM_REALMS; i++)
        for (struct am_reader *reader = store->realm[i] ? store->realm[i]->readers : NULL, *next; reader;
             reader = next) {
            next = reader->next;
            if (reader->adopted && reader->until_ms && reader->until_ms < now)
                am_reader_close(store, reader);
        }
}

/* The warm log: emptied segments are given back, the supervisor is told of new ones. True: there may be more
 * to compact. */
static bool warm(struct am_store *store) {
    int fds[4096];
    bool moved = am_log_compact(store->warm, AM_CLEAN_BYTES, am_warm_moved, store) > 0;
    size_t count = am_log_fds(store->warm, fds, 4096);
    am_warm_kept(store, fds, count);
    return moved;
}

void am_store_settle(struct am_store *store) {
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i])
            am_units_free(store->realm[i], 16384);
}

uint32_t am_store_tick(struct am_store *store, int pressure) {
    uint64_t now = am_now(store);
    am_references_note_use(store);
    if (now >= store->next_age_ms) {
        agents(store, now);
        store->next_age_ms = now + AM_TICK_MS;
    }
    am_store_settle(store); /* before cooling: ropes that were replaced still count as parents */
    uint64_t over =
        store->hot_bytes > store->options.hot_bytes ? store->hot_bytes - store->options.hot_bytes : 0;
    if (pressure && !over)
        over =
            store->hot_bytes / (pressure > 1 ? 4 : 10); /* the kernel is short, whatever our own limit says */
    am_cool(store, over, now, pressure);
    bool busy = over || store->journal_count || store->unsaved_count || store->dropped_count;
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i])
            busy |= am_space_clean(store->realm[i], AM_CLEAN_BYTES) > 0;
    busy |= warm(store);
    if (now >= store->next_flush_ms) {
        am_cold_step(store, false);
        store->next_flush_ms = now + AM_FLUSH_MS;
    }
    return busy ? AM_TICK_MS : AM_IDLE_TICK_MS;
}
