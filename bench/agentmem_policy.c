/* Replays a trace of agents against memory that is too small, under several orders of leaving
 * (bench/agentmem_policy.py).
 *
 * Usage: agentmem_policy TRACE. The trace is lines: `A group` an agent, `U bytes type group` a unit (group
 * -1: private), then events `E ms op agent number`: w writes unit `number` into the agent's conversation, r
 * reads it, s sets the agent's state, x ends the agent: what it alone owns is freed. Then, for each line
 * `POLICY MEMORY [weights]` of standard input, one line of output: bytes and count restored. Reads of what is
 * not in memory are restores; writes are not.
 *
 * Memory over its size is brought to 95 % of it, the units with the lowest score first, as a broker does at
 * its watermark. `bound` is the least that any order could restore: farthest next use first, and units may
 * leave by parts.
 */
#include "policy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    uint64_t bytes, last, before, here; /* last two uses, 0: none; here: bytes in memory */
    int type, group, agent, place;      /* place in its conversation */
    uint32_t next;                      /* event that reads it next */
    bool owned;
};
struct agent {
    int group, state, pieces;
};
struct event {
    uint64_t at;
    uint32_t agent, number, next; /* next: the event that reads the same unit after this one */
    char what;
};
struct group {
    uint32_t by_state[5];
};

static struct unit *units;
static struct agent *agents;
static struct event *events;
static struct group groups[64];
static uint32_t unit_count, agent_count, event_count, *here, here_count;
static double *scores;
static uint64_t held;

enum { SEMANTIC, LRU, LRU2, LRU2_APART, BOUND };

static void *grown(void *array, uint32_t count, size_t size)
{
    if ((count & (count - 1)) == 0) { /* the room is the next power of two */
        array = realloc(array, (count == 0 ? 1 : 2 * (size_t)count) * size);
        if (array == NULL)
            exit(EXIT_FAILURE);
    }
    return array;
}

static void load(const char *name)
{
    FILE *file = fopen(name, "r");
    char line[128], what;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct unit unit = {.agent = -1};
        struct agent agent = {0};
        struct event event = {0};
        if (sscanf(line, "A %d", &agent.group) == 1) {
            agents = grown(agents, agent_count, sizeof *agents);
            agents[agent_count++] = agent;
        } else if (sscanf(line, "U %lu %d %d", &unit.bytes, &unit.type, &unit.group) == 3) {
            units = grown(units, unit_count, sizeof *units);
            units[unit_count++] = unit;
        } else if (sscanf(line, "E %lu %c %u %u", &event.at, &what, &event.agent, &event.number) == 4) {
            event.what = what;
            events = grown(events, event_count, sizeof *events);
            events[event_count++] = event;
        } else {
            fprintf(stderr, "not a line of a trace: %s", line);
            exit(EXIT_FAILURE);
        }
    }
    if (file == NULL || fclose(file) != 0 || event_count == 0) {
        fprintf(stderr, "%s: no trace\n", name);
        exit(EXIT_FAILURE);
    }
    here = malloc(unit_count * sizeof *here);
    scores = malloc(unit_count * sizeof *scores);
    uint32_t *next = malloc(unit_count * sizeof *next);
    if (here == NULL || scores == NULL || next == NULL)
        exit(EXIT_FAILURE);
    memset(next, 0xff, unit_count * sizeof *next);
    for (uint32_t i = event_count; i-- > 0;)
        if (events[i].what == 'r' || events[i].what == 'w') {
            events[i].next = next[events[i].number];
            next[events[i].number] = i;
        }
    free(next);
}

static int most_awake(const struct group *group)
{
    for (int state = 1; state < 5; state++)
        if (group->by_state[state] > 0)
            return state;
    return 0;
}

static double score(const struct unit *unit, int policy, uint64_t now,
                    const struct am_policy_weights *weights)
{
    if (policy == LRU)
        return (double)unit->last;
    if (policy != SEMANTIC)
        return unit->before > 0 ? (double)unit->before : (double)unit->last * 1e-9;
    const struct group *group = unit->group >= 0 ? &groups[unit->group] : NULL;
    const struct agent *agent = group == NULL ? &agents[unit->agent] : NULL;
    uint32_t sharers = 1;
    for (int state = 0; group != NULL && state < 5; state++)
        sharers += group->by_state[state];
    const struct am_policy_unit known = {
        .idle_ms = now - unit->last,
        .before_ms = unit->before > 0 ? unit->last - unit->before : UINT64_MAX,
        .bytes = unit->bytes,
        .restore_us = 5 + unit->bytes / 1600,
        .importance = 50,
        .sharers = group == NULL ? 1 : sharers - 1,
        .agent = (uint8_t)(group == NULL ? agent->state : most_awake(group)),
        .type = (uint8_t)unit->type,
        .newest = agent != NULL && unit->place >= agent->pieces - AM_POLICY_RECENT,
    };
    return am_policy_keep(&known, weights);
}

static int by_score(const void *a, const void *b)
{
    const double left = scores[*(const uint32_t *)a], right = scores[*(const uint32_t *)b];
    return left < right ? -1 : left > right;
}

static void evict(int policy, uint64_t memory, uint64_t now, const struct am_policy_weights *weights)
{
    if (policy == BOUND) {
        while (held > memory) {
            uint32_t far = 0;
            for (uint32_t i = 1; i < here_count; i++)
                if (units[here[i]].next > units[here[far]].next)
                    far = i;
            struct unit *unit = &units[here[far]];
            const uint64_t over = held - memory, out = over < unit->here ? over : unit->here;
            unit->here -= out;
            held -= out;
            if (unit->here == 0)
                here[far] = here[--here_count];
        }
        return;
    }
    for (uint32_t i = 0; i < here_count; i++)
        scores[here[i]] = score(&units[here[i]], policy, now, weights);
    qsort(here, here_count, sizeof *here, by_score);
    uint32_t gone = 0;
    for (; gone < here_count && held > memory - memory / 20; gone++) {
        held -= units[here[gone]].here;
        units[here[gone]].here = 0;
    }
    memmove(here, here + gone, (here_count - gone) * sizeof *here);
    here_count -= gone;
}

static void leave(uint32_t ended)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < here_count; i++) {
        struct unit *unit = &units[here[i]];
        if (unit->agent == (int)ended && unit->group < 0) {
            held -= unit->here;
            unit->here = 0;
        } else {
            here[left++] = here[i];
        }
    }
    here_count = left;
}

static void replay(int policy, uint64_t memory, const struct am_policy_weights *weights)
{
    uint64_t bytes = 0, count = 0, most = 0;
    memset(groups, 0, sizeof groups);
    here_count = 0;
    held = 0;
    for (uint32_t i = 0; i < unit_count; i++)
        units[i].last = units[i].before = units[i].here = 0, units[i].owned = false;
    for (uint32_t i = 0; i < agent_count; i++)
        agents[i].state = agents[i].pieces = 0;
    for (uint32_t i = 0; i < event_count; i++) {
        const struct event *event = &events[i];
        struct agent *agent = &agents[event->agent];
        if (event->what == 's' || event->what == 'x') {
            if (agent->state > 0)
                groups[agent->group].by_state[agent->state]--;
            agent->state = event->what == 's' ? (int)event->number : 0;
            if (agent->state > 0)
                groups[agent->group].by_state[agent->state]++;
            else
                leave(event->agent);
            continue;
        }
        struct unit *unit = &units[event->number];
        if (event->what == 'w' && unit->group < 0) {
            unit->agent = (int)event->agent;
            unit->place = agent->pieces++;
        }
        if (unit->owned && unit->here < unit->bytes) {
            bytes += unit->bytes - unit->here;
            count++;
        }
        unit->owned = true;
        if (unit->here == 0)
            here[here_count++] = event->number;
        held += unit->bytes - unit->here;
        unit->here = unit->bytes;
        /* LRU-2 apart: uses within a minute of each other are one (the paper's correlated references). */
        if (policy != LRU2_APART || event->at - unit->last > 60000)
            unit->before = unit->last;
        unit->last = event->at;
        unit->next = event->next;
        most = held > most ? held : most;
        if (held > memory)
            evict(policy, memory, event->at, weights);
    }
    printf("%lu %lu %lu\n", bytes, count, most);
    fflush(stdout);
}

int main(int count, char **names)
{
    static const char *const policies[] = {"semantic", "lru", "lru2", "lru2apart", "bound"};
    char name[16];
    uint64_t memory;
    if (count != 2)
        return EXIT_FAILURE;
    load(names[1]);
    while (scanf("%15s %lu", name, &memory) == 2) {
        int policy = 0;
        while (policy < BOUND && strcmp(policies[policy], name) != 0)
            policy++;
        struct am_policy_weights weights = am_policy_default;
        double *const fields[] = {&weights.agent[0], &weights.agent[1], &weights.agent[2], &weights.agent[3],
                                  &weights.agent[4], &weights.age, &weights.age_again, &weights.size,
                                  &weights.importance, &weights.sharers, &weights.type[1], &weights.type[2],
                                  &weights.type[3], &weights.type[4], &weights.type[5], &weights.newest};
        for (size_t i = 0; policy == SEMANTIC && i < sizeof fields / sizeof *fields; i++)
            if (scanf("%lf", fields[i]) != 1)
                return EXIT_FAILURE;
        replay(policy, memory, &weights);
    }
    return EXIT_SUCCESS;
}
