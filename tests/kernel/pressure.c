/* When the kernel wants memory, conversations that nobody reads are compressed, droppable units go, and
 * nothing that is owned changes. Their agent is active: what idle ones have is compressed without want of
 * memory. For a machine with little memory: most of it is filled with units, then processes take the rest,
 * one after the other, until the kernel has asked and half of the units' bytes are compressed. Usage:
 * pressure [UNITS [SECONDS]], how many units at most, and after how long it gives up. Knows no limits of the
 * module. */
#include <signal.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

#define UNIT (256ull << 10)
#define MOST 4096

static uint64_t available(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    unsigned long long kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib << 10;
}

/* Whether the kernel has asked, and at least half of what was stored is hot no more. */
static bool gave(int fd, uint64_t whole, uint64_t asked)
{
    struct agentmem_stats is;
    return device_stats(fd, &is) == AM_OK && is.shrinker_runs > asked &&
           is.tier[AM_HOT].stored_bytes * 2 < whole;
}

/* Takes memory: fast while there is some, then slowly, so that there is time to give, until enough was given.
 * The machine kills it when it takes faster than is given; then the next one goes on. */
static void take(int fd, uint64_t whole, uint64_t asked, double until)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "w");
    if (file) {
        fputs("1000", file);
        fclose(file);
    }
    while (!gave(fd, whole, asked) && seconds() < until) {
        const bool some = available() > (24u << 20);
        const size_t bytes = some ? 1 << 20 : 128 << 10;
        uint8_t *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED)
            break;
        memset(data, 1, bytes);
        if (!some)
            usleep(50000);
    }
    _exit(0);
}

int main(int arguments, char **argument)
{
    static struct agentmem_placed units[MOST];
    uint8_t *bytes = malloc(UNIT);
    struct agentmem_stats before, after;
    struct agentmem_placed droppable[8];
    const uint64_t room = available() * 4 / 10;
    const int quiet = device_client("pressure", "quiet"), busy = device_client("pressure", "busy");
    const int most = arguments > 1 && atoi(argument[1]) < MOST ? atoi(argument[1]) : MOST;
    int count = 0;
    for (int i = 0; i < 8; i++) {
        made_noise(bytes, UNIT, 900 + (uint64_t)i);
        device_publish(busy, AM_TOOL_RESULT, bytes, UNIT, AGENTMEM_NO_REFERENCE | AGENTMEM_DROPPABLE,
                       &droppable[i]);
    }
    for (; count < most && (uint64_t)count * UNIT < room; count++) {
        made_text(bytes, UNIT, (uint64_t)count);
        const int status =
            device_publish(quiet, AM_CONVERSATION, bytes, UNIT, AGENTMEM_NO_REFERENCE, &units[count]);
        if (status != AM_OK) {
            say(status == AM_ENOMEM || status == AM_EQUOTA, "pressure-full", "status %d after %d", status,
                count);
            break;
        }
    }
    say(count > 50, "pressure-filled", "%d units, %llu MiB", count, (unsigned long long)(count * UNIT >> 20));
    device_state(quiet, "", AGENTMEM_LEAVE, 10);
    device_stats(quiet, &before);
    const double until = seconds() + (arguments > 2 ? atof(argument[2]) : 60);
    int takers = 0;
    do {
        const pid_t child = fork();
        if (child == 0)
            take(quiet, (uint64_t)count * UNIT, before.shrinker_runs, until);
        int status = 0;
        if (child > 0)
            waitpid(child, &status, 0);
        takers++;
    } while (!gave(quiet, (uint64_t)count * UNIT, before.shrinker_runs) && seconds() < until);
    say_figure("pressure-takers", takers, "processes");
    device_stats(quiet, &after);
    say(after.shrinker_runs > before.shrinker_runs, "pressure-asked", "%llu times",
        (unsigned long long)(after.shrinker_runs - before.shrinker_runs));
    say(after.evictions_warm > before.evictions_warm, "pressure-compressed", "%llu units",
        (unsigned long long)(after.evictions_warm - before.evictions_warm));
    say(after.tier[AM_HOT].stored_bytes * 2 < (uint64_t)count * UNIT, "pressure-gave",
        "%llu MiB of %llu still hot", (unsigned long long)(after.tier[AM_HOT].stored_bytes >> 20),
        (unsigned long long)(count * UNIT >> 20));
    say_figure("pressure-hot-before", (double)before.tier[AM_HOT].stored_bytes / 1048576, "MiB");
    say_figure("pressure-hot-after", (double)after.tier[AM_HOT].stored_bytes / 1048576, "MiB");
    say_figure("pressure-warm-after", (double)after.tier[AM_WARM].stored_bytes / 1048576, "MiB");
    say_figure("pressure-dropped", (double)after.dropped, "units");
    int lost = 0, changed = 0, dropped = 0;
    uint8_t *was = malloc(UNIT);
    for (int i = 0; i < count; i++) {
        struct agentmem_placed placed;
        if (device_acquire(quiet, units[i].id, &placed) != AM_OK) {
            lost++;
            continue;
        }
        made_text(was, UNIT, (uint64_t)i);
        const uint8_t *data = device_map(quiet, &placed, MAP_SHARED);
        if (data == MAP_FAILED || memcmp(data, was, UNIT) != 0)
            changed++;
        if (data != MAP_FAILED)
            munmap((void *)data, UNIT);
        device_release(quiet, placed.reference);
        if (i % 16 == 15) /* or they would not all fit again */
            device_state(quiet, "", AM_PAUSED, AGENTMEM_LEAVE);
    }
    for (int i = 0; i < 8; i++)
        dropped += device_acquire(busy, droppable[i].id, NULL) == AM_ENOTFOUND;
    say(lost == 0 && changed == 0, "pressure-bytes", "%d lost, %d changed of %d", lost, changed, count);
    device_stats(quiet, &after);
    say((uint64_t)dropped == after.dropped, "pressure-dropped", "%d of 8 droppable units", dropped);
    close(quiet);
    close(busy);
    const int fd = device_open();
    const bool empty = device_empties(fd, 5, &after);
    say(empty, "pressure-nothing-left", "units %llu", (unsigned long long)after.units);
    return said();
}
