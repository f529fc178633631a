/* Conformance: what is long is told and walked in full, though no lock is held all the while. See
 * conformance.h. */
#include "conformance.h"

#include "device.h"
#include "say.h"

#define AGENTS 100  /* /proc/agent_stats is longer than a page, several times */
#define AHEAD 2500u /* units, more than the module looks at in one turn */
#define PARAMETER "/sys/module/agentmem/parameters/agents"

static bool put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    const bool good = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && good;
}

/* The names of a reader that takes `step` bytes at a time: how many of ours, each once. */
static int names(int step)
{
    static char text[65536];
    size_t length = 0;
    ssize_t more = 0;
    const int fd = open("/proc/agent_stats", O_RDONLY);
    while (fd >= 0 && length + (size_t)step < sizeof text - 1 &&
           (more = read(fd, text + length, (size_t)step)) > 0)
        length += (size_t)more;
    if (fd >= 0)
        close(fd);
    text[length] = 0;
    int found = 0;
    for (int n = 0; n < AGENTS && more == 0; n++) {
        char name[64];
        snprintf(name, sizeof name, "  many/agent number %03d\n", n);
        const char *at = strstr(text, name);
        found += at && !strstr(at + 1, name);
    }
    return found;
}

static void agents(void)
{
    int files[AGENTS];
    char name[32];
    for (int n = 0; n < AGENTS; n++) {
        snprintf(name, sizeof name, "agent number %03d", n);
        files[n] = device_client("many", name);
    }
    say(names(4096) == AGENTS, "many-proc", "%d agents", names(4096));
    say(names(97) == AGENTS, "many-proc-slow", "97 bytes at a time");
    for (int n = 0; n < AGENTS; n += 2)
        close(files[n]);
    say(names(4096) == AGENTS / 2, "many-proc-half", "%d agents", names(4096));
    for (int n = 1; n < AGENTS; n += 2)
        close(files[n]);
    say(names(4096) == 0, "many-proc-none", " ");
}

/* A mapping keeps its file, and so client, agent and realm: no more realms than agents, whoever closes. */
static void realms(void)
{
    void *maps[4];
    char name[16];
    int status = 0;
    if (!say(put(PARAMETER, "4"), "realms-limit", "errno %d", errno))
        return;
    for (int n = 0; n < 4; n++) {
        struct agentmem_placed placed = {0};
        snprintf(name, sizeof name, "realm-%d", n);
        const int fd = device_client(name, "one");
        device_publish(fd, AM_TOOL_DEF, name, sizeof name, 0, &placed);
        maps[n] = device_map(fd, &placed, MAP_SHARED);
        status |= maps[n] == MAP_FAILED;
        close(fd);
    }
    const int fd = device_open();
    struct agentmem_stats is;
    device_stats(fd, &is);
    say(!status && is.realms == 4 && is.agents == 4, "realms-kept", "%llu realms, %llu agents",
        (unsigned long long)is.realms, (unsigned long long)is.agents);
    status = device_attach(fd, "realm-4", "one");
    say(status == AM_EBUSY, "realms-full", "status %d", status);
    status = device_attach(fd, "realm-3", "one");
    say(status == AM_OK, "realms-known", "an agent that is there may be joined");
    close(fd);
    for (int n = 0; n < 4; n++)
        if (maps[n] != MAP_FAILED)
            munmap(maps[n], sizeof name);
    status = device_client("realm-4", "one");
    say(status >= 0, "realms-again", " ");
    if (status >= 0)
        close(status);
    put(PARAMETER, "4096");
}

/* Droppable units behind many that nothing can be done with: the kernel's wish reaches them. */
static void behind(void)
{
    const int fd = device_client("behind", "one");
    struct agentmem_stats before, after;
    struct agentmem_placed placed;
    unsigned kept = 0, tries = 0;
    device_stats(fd, &before);
    for (uint32_t n = 0; n < AHEAD; n++)
        kept += device_publish(fd, AM_KV_PAGE, &n, sizeof n, AGENTMEM_NO_REFERENCE, &placed) == AM_OK;
    for (uint32_t n = AHEAD; n < AHEAD + 4; n++)
        device_publish(fd, AM_KV_PAGE, &n, sizeof n, AGENTMEM_NO_REFERENCE | AGENTMEM_DROPPABLE, &placed);
    do {
        put("/proc/sys/vm/drop_caches", "2\n");
        device_stats(fd, &after);
    } while (after.dropped == before.dropped && tries++ < 50);
    say(kept == AHEAD && after.dropped > before.dropped && after.units >= AHEAD, "behind-dropped",
        "%llu droppable of 4 behind %u, after %u wishes",
        (unsigned long long)(after.dropped - before.dropped), kept, tries + 1);
    close(fd);
}

void conform_many(void)
{
    agents();
    realms();
    behind();
}
