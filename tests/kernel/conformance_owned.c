/* Conformance: the list of what an agent owns, while units come and go, and the figures of an agent, which
 * follow its units from tier to tier. See conformance.h. */
#include "conformance.h"

#include <pthread.h>

#include "device.h"
#include "say.h"

#define KEPT 150u /* more than two pages */
#define TURNS 40

/* All pages. How many ids; -1: the pages do not follow each other as they should. */
static int all(int fd, uint8_t (*ids)[32], int most)
{
    struct agentmem_owned page;
    uint64_t after = 0;
    int count = 0;
    do {
        if (device_owned(fd, after, &page) != AM_OK || page.count > AGENTMEM_OWNED_IDS)
            return -1;
        if (page.count ? page.last < after + page.count : page.last != after)
            return -1;
        for (uint32_t n = 0; n < page.count; n++, count++)
            if (count < most)
                memcpy(ids[count], page.id[n], 32);
        after = page.last;
    } while (page.count == AGENTMEM_OWNED_IDS);
    return count;
}

static int times(uint8_t (*ids)[32], int count, const uint8_t id[32])
{
    int found = 0;
    for (int n = 0; n < count; n++)
        found += memcmp(ids[n], id, 32) == 0;
    return found;
}

struct comers {
    int fd;
    _Atomic bool end;
};

/* Units that come and go while others list, and a pause that walks the same tree. */
static void *come_and_go(void *of)
{
    struct comers *comers = of;
    uint64_t seed = 7;
    uint8_t ids[16][32] = {{0}};
    while (!comers->end) {
        const uint64_t drawn = chance(&seed), n = drawn % 16;
        struct agentmem_placed placed;
        if (device_unit(comers->fd, AGENTMEM_DISOWN, ids[n], 0) != AM_OK &&
            device_publish(comers->fd, AM_CONVERSATION, &drawn, sizeof drawn, AGENTMEM_NO_REFERENCE,
                           &placed) == AM_OK)
            memcpy(ids[n], placed.id, 32);
        if (drawn >> 32 & 1)
            device_state(comers->fd, "", drawn >> 33 & 1 ? AM_PAUSED : AM_ACTIVE, AGENTMEM_LEAVE);
    }
    for (int n = 0; n < 16; n++)
        device_unit(comers->fd, AGENTMEM_DISOWN, ids[n], 0);
    return NULL;
}

static void lists(int fd)
{
    static uint8_t kept[KEPT][32], ids[KEPT + 16][32];
    struct agentmem_owned page;
    struct agentmem_placed placed;
    say(device_owned(fd, 0, &page) == AM_OK && page.count == 0 && page.last == 0, "owned-none", " ");
    for (uint32_t n = 0; n < KEPT; n++) {
        device_publish(fd, n & 1 ? AM_CONVERSATION : AM_TOOL_DEF, &n, sizeof n, AGENTMEM_NO_REFERENCE,
                       &placed);
        memcpy(kept[n], placed.id, 32);
    }
    say(all(fd, ids, KEPT) == KEPT && memcmp(ids, kept, sizeof kept) == 0, "owned-pages", "in their order");
    say(device_owned(fd, placed.number - 1, &page) == AM_OK && page.count == 1 &&
            page.last == placed.number && memcmp(page.id[0], placed.id, 32) == 0,
        "owned-last", "number %u", placed.number);
    bool zeros = true;
    for (const uint8_t *at = page.id[1]; at < (const uint8_t *)(&page + 1); at++)
        zeros = zeros && *at == 0;
    say(zeros, "owned-zeros", "behind the last");
    say(device_owned(fd, ~0ull, &page) == AM_OK && page.count == 0 && page.last == ~0ull, "owned-beyond",
        " ");
    page = (struct agentmem_owned){.spare = 1, .count = 77};
    const int status = DEVICE_CALL(fd, AGENTMEM_OWNED, &page);
    say(status == AM_EINVAL && page.count == 77 && page.head.about == offsetof(struct agentmem_owned, spare),
        "owned-spare", "status %d about %u", status, page.head.about);

    struct comers comers = {.fd = fd};
    pthread_t thread;
    if (pthread_create(&thread, NULL, come_and_go, &comers) != 0)
        return;
    int good = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        const int count = all(fd, ids, KEPT + 16);
        int once = 0;
        for (uint32_t n = 0; n < KEPT && count <= (int)KEPT + 16; n++)
            once += times(ids, count, kept[n]) == 1;
        good += once == KEPT;
    }
    comers.end = true;
    pthread_join(thread, NULL);
    say(good == TURNS, "owned-race", "%d of %d lists have each unit that stayed, once", good, TURNS);
    say(all(fd, ids, KEPT + 16) == KEPT, "owned-race-after", " ");
}

static bool has(const struct agentmem_agent *is, int tier, uint64_t units, uint64_t raw)
{
    return is->tier[tier].units == units && is->tier[tier].raw_bytes == raw;
}

/* What AGENT tells is kept as units move: it must be what a count would give. */
static void figures(int fd, const char *name)
{
    enum { TALK = 100000 };
    static uint8_t bytes[TALK];
    struct agentmem_agent is;
    struct agentmem_placed own, shared, held;
    made_text(bytes, TALK, 3);
    device_publish(fd, AM_CONVERSATION, bytes, TALK, AGENTMEM_NO_REFERENCE, &own);
    device_publish(fd, AM_TOOL_DEF, bytes, 5000, AGENTMEM_NO_REFERENCE, &shared);
    device_agent(fd, name, &is);
    const struct agentmem_type_figures *talk = &is.type[AM_CONVERSATION], *tool = &is.type[AM_TOOL_DEF];
    say(has(&is, AM_HOT, 1, TALK) && has(&is, AM_WARM, 0, 0) && is.units == 2, "agent-hot", "%llu units",
        (unsigned long long)is.tier[AM_HOT].units);
    say(talk->units == 1 && talk->unique_bytes == TALK && talk->logical_bytes == TALK && tool->units == 0 &&
            tool->logical_bytes == 5000,
        "agent-types", "its own, and logical of all");
    device_state(fd, "", AM_PAUSED, AGENTMEM_LEAVE);
    device_agent(fd, name, &is);
    say(has(&is, AM_HOT, 0, 0) && has(&is, AM_WARM, 1, TALK) && is.tier[AM_HOT].stored_bytes == 0 &&
            is.tier[AM_WARM].stored_bytes == talk->stored_bytes && talk->stored_bytes < TALK,
        "agent-warm", "%llu bytes", (unsigned long long)talk->stored_bytes);
    device_acquire(fd, own.id, &held);
    device_agent(fd, name, &is);
    say(has(&is, AM_HOT, 1, TALK) && has(&is, AM_WARM, 0, 0) && is.tier[AM_WARM].stored_bytes == 0,
        "agent-restored", " ");
    device_unit(fd, AGENTMEM_DISOWN, own.id, 0);
    device_unit(fd, AGENTMEM_DISOWN, shared.id, 0);
    device_release(fd, held.reference);
    device_agent(fd, name, &is);
    const struct agentmem_tier_figures no_tier[4] = {{0}};
    const struct agentmem_type_figures no_type[6] = {{0}};
    say(memcmp(is.tier, no_tier, sizeof no_tier) == 0 && memcmp(is.type, no_type, sizeof no_type) == 0 &&
            is.units == 0,
        "agent-none", "all zero again");
}

void conform_owned(void)
{
    const int fd = device_client("owned", "one"), other = device_client("owned", "two");
    struct agentmem_owned page;
    lists(fd);
    say(device_owned(other, 0, &page) == AM_OK && page.count == 0, "owned-apart",
        "another agent's are not told");
    device_state(other, "one", AM_KILLED, AGENTMEM_LEAVE);
    say(device_owned(fd, 0, &page) == AM_OK && page.count == 0, "owned-killed", "nothing is left");
    figures(other, "two");
    close(fd);
    close(other);
}
