/* What the same agents' units take: 16 agents' prompts, tools, files and talk, as the plan says.
 *
 * The plan is a line a block: agent, type, offset, length, talk (a piece of the agent's conversation), starts
 * (of a message). Without `ropes` each piece of talk is a unit by itself: the module has no conversations.
 * Memory is what the machine has less: whatever it is used for, by whichever process. Times are told for
 * the whole of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "say.h"

enum { AGENTS = 64, BLOCKS = 40000 };

struct block {
    am_id id;
    size_t offset, length;
    unsigned agent;
    int type;
    bool talk, starts;
};

static struct block blocks[BLOCKS];
static am_client *clients[AGENTS];
static am_conversation *talks[AGENTS];
static int count;
static unsigned agents;
static const char *kind; /* "set", or "talk" with ropes */

static void figure_of(const char *name, double value, const char *unit)
{
    char whole[80];
    snprintf(whole, sizeof whole, "%s-%s", kind, name);
    figure(whole, value, unit);
}

static void read_plan(const char *path, struct text text)
{
    FILE *file = fopen(path, "r");
    char line[128];
    for (; file && count < BLOCKS && fgets(line, sizeof line, file); count++) {
        struct block *of = &blocks[count];
        int talk, starts;
        const int words =
            sscanf(line, "%u %d %zu %zu %d %d", &of->agent, &of->type, &of->offset, &of->length, &talk,
                   &starts);
        const bool good = words == 6 && of->agent < AGENTS && of->offset + of->length <= text.length;
        check(good ? 0 : AM_EINVAL, "plan");
        of->talk = talk, of->starts = starts;
        agents = of->agent + 1 > agents ? of->agent + 1 : agents;
    }
    check(file && count > 0 && feof(file) ? 0 : AM_EINVAL, "plan");
    fclose(file);
}

static void play(struct text text, bool ropes)
{
    am_unit unit;
    for (int i = 0; i < count; i++) {
        struct block *of = &blocks[i];
        const char *bytes = text.bytes + of->offset;
        if (ropes && of->talk) {
            if (!talks[of->agent])
                check(am_conversation_open(clients[of->agent], "main", &talks[of->agent]), "conversation");
            check(am_conversation_append(talks[of->agent], of->type, bytes, of->length, of->starts),
                  "append");
            continue;
        }
        check(am_publish(clients[of->agent], of->type, bytes, of->length, AM_NO_REFERENCE, &unit), "publish");
        of->id = unit.id;
    }
}

/* Until nothing more moves: five seconds without a change. */
static struct held settled(am_client *watch)
{
    struct held now, was = held_now(watch);
    double since = seconds(), until = since + 240;
    while (seconds() - since < 5 && seconds() < until) {
        usleep(200000);
        now = held_now(watch);
        if (now.hot != was.hot || now.warm != was.warm)
            since = seconds();
        was = now;
    }
    return was;
}

static void tell(const char *when, am_client *watch, double free_before)
{
    char name[64];
    const struct held held = held_now(watch);
    const double now = machine_free();
    snprintf(name, sizeof name, "%s-memory", when);
    figure_of(name, free_before - now, "MiB");
    snprintf(name, sizeof name, "%s-hot", when);
    figure_of(name, held.hot / 1048576, "MiB");
    snprintf(name, sizeof name, "%s-stored", when);
    figure_of(name, (held.hot + held.warm + held.cold) / 1048576, "MiB");
    snprintf(name, sizeof name, "%s-taken", when);
    figure_of(name, held.taken / 1048576, "MiB");
}

/* Agent 0 comes back and reads all that it has. */
static void come_back(struct text text)
{
    double bytes = 0, started = seconds();
    int wrong = 0;
    check(am_agent_state(clients[0], NULL, AM_ACTIVE), "resume");
    for (int i = 0; i < count && blocks[i].agent == 0; i++) {
        am_unit unit;
        check(am_acquire(clients[0], &blocks[i].id, &unit), "come-back");
        wrong += unit.length != blocks[i].length ||
                 memcmp(unit.data, text.bytes + blocks[i].offset, unit.length) != 0;
        bytes += (double)unit.length;
        am_release(clients[0], &unit);
    }
    figure_of("resume-all", (seconds() - started) * 1e3, "ms");
    figure_of("resume-bytes", bytes / 1048576, "MiB");
    say(wrong == 0, "set-bytes", "%d units differ", wrong);
}

int set(struct text text, const char *plan, bool ropes)
{
    double logical = 0;
    kind = ropes ? "talk" : "set";
    read_plan(plan, text);
    am_client *watch = client_of("watch");
    const double before_clients = machine_free();
    for (unsigned i = 0; i < agents; i++) {
        char name[16];
        snprintf(name, sizeof name, "agent-%u", i);
        clients[i] = client_of(name);
    }
    const double before = machine_free(), started = seconds();
    const char *without = getenv("COMPARE_FREE");
    if (without)
        figure_of("empty-memory", strtod(without, NULL) - before_clients, "MiB");
    figure_of("client-memory", (before_clients - before) * 1024 / agents, "KiB");
    play(text, ropes);
    figure_of("publish-all", (seconds() - started) * 1e3, "ms");
    for (int i = 0; i < count; i++)
        logical += (double)blocks[i].length;
    figure_of("logical", logical / 1048576, "MiB");
    figure_of("units", held_now(watch).units, "units");
    tell("active", watch, before);
    const double paused = seconds();
    for (unsigned i = 0; i < agents; i++)
        check(am_agent_state(clients[i], NULL, AM_PAUSED), "pause");
    figure_of("pause-calls", (seconds() - paused) * 1e3, "ms");
    settled(watch);
    tell("paused", watch, before);
    if (!ropes)
        come_back(text);
    for (unsigned i = 0; i < agents; i++) {
        if (talks[i])
            am_conversation_close(talks[i]);
        am_close(clients[i]);
    }
    empties(watch, 120);
    am_close(watch);
    return said();
}
