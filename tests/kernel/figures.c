/* What the calls of /dev/agentmem cost, and what /proc/agent_stats says of dedup and compression when 20
 * agents have one prompt, one set of tools, and a conversation each. Usage: figures TEXT, a file of real
 * text. It judges the sums only. Times are those of an emulated processor: compare them with each other
 * alone. */
#include "device.h"
#include "say.h"

#define AGENTS 20
#define PROMPT 40000ull
#define TOOLS 60000ull
#define CONVERSATION 64000ull

static void cost(const char *name, double started, int rounds)
{
    say_figure(name, (seconds() - started) / rounds * 1e6, "us");
}

static void costs(void)
{
    enum { ROUNDS = 300 };
    static uint8_t bytes[65536];
    struct agentmem_placed placed;
    struct agentmem_info info;
    const int fd = device_client("figures", "costs");
    if (!say(fd >= 0, "figures-client", "status %d", fd))
        return;
    int wrong = 0;
    double started = seconds();
    for (int i = 0; i < ROUNDS; i++)
        getppid();
    cost("cost-getppid", started, ROUNDS);
    started = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        memset(&info, 0, sizeof info);
        wrong += DEVICE_CALL(fd, AGENTMEM_INFO, &info) != AM_OK;
    }
    cost("cost-info", started, ROUNDS);
    made_text(bytes, sizeof bytes, 1);
    started = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        bytes[0] = (uint8_t)i, bytes[1] = (uint8_t)(i >> 8);
        wrong += device_publish(fd, AM_TOOL_RESULT, bytes, 4096, AGENTMEM_NO_REFERENCE, &placed) != AM_OK;
    }
    cost("cost-publish-new-4k", started, ROUNDS);
    started = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        wrong += device_publish(fd, AM_TOOL_RESULT, bytes, 4096, AGENTMEM_NO_REFERENCE, &placed) != AM_OK;
        wrong += !placed.existed;
    }
    cost("cost-publish-known-4k", started, ROUNDS);
    uint8_t id[32];
    memcpy(id, placed.id, 32);
    started = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        wrong += device_acquire(fd, id, &placed) != AM_OK;
        wrong += device_release(fd, placed.reference) != AM_OK;
    }
    cost("cost-acquire-release", started, ROUNDS);
    wrong += device_acquire(fd, id, &placed) != AM_OK;
    started = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        const uint8_t *data = device_map(fd, &placed, MAP_SHARED);
        wrong += data == MAP_FAILED || data[1] != bytes[1];
        munmap((void *)data, placed.length);
    }
    cost("cost-map-4k", started, ROUNDS);
    started = seconds();
    for (int i = 0; i < ROUNDS / 10; i++) {
        bytes[0] = (uint8_t)i;
        wrong += device_publish(fd, AM_TOOL_RESULT, bytes, 65536, AGENTMEM_NO_REFERENCE, &placed) != AM_OK;
    }
    cost("cost-publish-new-64k", started, ROUNDS / 10);
    say(wrong == 0, "figures-costs", "%d calls went wrong", wrong);
    close(fd);
}

/* The whole of /proc/agent_stats, each line marked: scripts/kernel/stats.py judges its form. */
static void tell(void)
{
    FILE *file = fopen("/proc/agent_stats", "r");
    char line[512];
    while (file && fgets(line, sizeof line, file))
        printf("agent_stats| %s", line);
    if (file)
        fclose(file);
}

static void workload(const char *text, uint64_t length)
{
    int clients[AGENTS], wrong = 0;
    struct agentmem_placed placed;
    struct agentmem_stats left;
    char name[32];
    const int watch = device_open();
    bool empty = device_empties(watch, 5, &left);
    say(empty, "figures-before", "%llu units left", (unsigned long long)left.units);
    for (int i = 0; i < AGENTS; i++) {
        snprintf(name, sizeof name, "agent-%d", i);
        clients[i] = device_client("figures", name);
        const uint64_t start = PROMPT + TOOLS + (uint64_t)i * 4096 % (length - PROMPT - TOOLS - CONVERSATION);
        wrong += device_publish(clients[i], AM_SYSTEM_PROMPT, text, PROMPT, AGENTMEM_NO_REFERENCE, &placed);
        wrong +=
            device_publish(clients[i], AM_TOOL_DEF, text + PROMPT, TOOLS, AGENTMEM_NO_REFERENCE, &placed);
        wrong += device_publish(clients[i], AM_CONVERSATION, text + start, CONVERSATION,
                                AGENTMEM_NO_REFERENCE, &placed);
    }
    for (int i = 0; i < AGENTS; i++) {
        wrong += device_state(clients[i], "", AM_PAUSED, AGENTMEM_LEAVE);
    }
    say(wrong == 0, "figures-workload", "statuses add up to %d", wrong);
    tell();
    const double logical = proc_figure("LogicalBytes"), unique = proc_figure("UniqueBytes");
    const double stored = proc_figure("StoredBytes"), warm = proc_figure("WarmBytes");
    say_figure("agent_stats-LogicalBytes", logical, "bytes");
    say_figure("agent_stats-UniqueBytes", unique, "bytes");
    say_figure("agent_stats-StoredBytes", stored, "bytes");
    say_figure("agent_stats-WarmBytes", warm, "bytes");
    say(logical == AGENTS * (double)(PROMPT + TOOLS + CONVERSATION), "figures-logical", "%.0f", logical);
    say(unique == (double)(PROMPT + TOOLS + AGENTS * CONVERSATION), "figures-unique", "%.0f", unique);
    say_figure("dedup", logical / unique, "x");
    say_figure("compression", unique / stored, "x");
    say_figure("together", logical / stored, "x");
    /* Real text of this size is compressed to less than half; pages that stay raw are the prompt and the
     * tools. */
    say(stored > 0 && stored < (double)(PROMPT + TOOLS + 2 * PAGE) + AGENTS * CONVERSATION / 2.0,
        "figures-compressed", "%.0f stored of %.0f", stored, unique);
    for (int i = 0; i < AGENTS; i++)
        close(clients[i]);
    empty = device_empties(watch, 5, &left);
    say(empty, "figures-after", "%llu units left", (unsigned long long)left.units);
    close(watch);
}

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "r") : NULL;
    static char text[1 << 20];
    const size_t length = file ? fread(text, 1, sizeof text, file) : 0;
    if (!say(length > PROMPT + TOOLS + 2 * CONVERSATION, "figures-text", "%zu bytes", length))
        return said();
    costs();
    workload(text, length);
    return said();
}
