/* Want of memory: agents hold units, another process takes what is left and more, RATE MiB a second.
 *
 * The taker wants 40 MiB more than the machine says is available: it gets them only from units. It is the
 * first that a kernel without memory kills. Every unit is read back afterwards.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "say.h"

enum { BYTES = 65536, AGENTS = 8, MOST = 8192, EXTRA_MIB = 40 };

struct taken {
    volatile double mib, slowest_ms, done_s;
};

static am_id ids[MOST];
static char bytes[BYTES];

static void write_unit(struct text text, unsigned unit)
{
    memcpy(bytes, text.bytes + (size_t)unit * 49999 % (text.length - BYTES), BYTES);
    snprintf(bytes, BYTES, "short, unit %u\n", unit);
}

static void take(struct taken *taken, double wanted, double mib_a_second)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "w");
    if (file) {
        fputs("1000", file);
        fclose(file);
    }
    const double started = seconds();
    while (taken->mib < wanted) {
        const double ahead = taken->mib / mib_a_second - (seconds() - started);
        if (ahead > 0)
            usleep((useconds_t)(ahead * 1e6));
        const double before = seconds();
        char *data = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED)
            break;
        memset(data, 1, 1 << 20);
        const double ms = (seconds() - before) * 1e3;
        taken->slowest_ms = ms > taken->slowest_ms ? ms : taken->slowest_ms;
        taken->mib += 1;
    }
    taken->done_s = seconds() - started;
    _exit(EXIT_SUCCESS);
}

static double oom_kills(void)
{
    FILE *file = fopen("/proc/vmstat", "r");
    char line[128];
    double count = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "oom_kill ", 9) == 0)
            count = strtod(line + 9, NULL);
    if (file)
        fclose(file);
    return count;
}

static void fill(am_client **clients, struct text text, unsigned count)
{
    am_unit unit;
    for (unsigned i = 0; i < count; i++) {
        write_unit(text, i);
        check(am_publish(clients[i % AGENTS], AM_CONVERSATION, bytes, BYTES, AM_NO_REFERENCE, &unit), "fill");
        ids[i] = unit.id;
    }
}

static void read_back(am_client **clients, struct text text, unsigned count)
{
    int lost = 0, changed = 0;
    for (unsigned i = 0; i < count; i++) {
        am_unit unit;
        const int status = am_acquire(clients[i % AGENTS], &ids[i], &unit);
        if (status != 0) {
            if (lost++ == 0)
                printf("unit %u: %s\n", i, am_error());
            continue;
        }
        write_unit(text, i);
        changed += unit.length != BYTES || memcmp(unit.data, bytes, BYTES) != 0;
        am_release(clients[i % AGENTS], &unit);
    }
    figure("short-lost", lost, "units");
    say(lost == 0 && changed == 0, "short-bytes", "%d lost, %d changed of %u", lost, changed, count);
}

int shortage(struct text text, double mib, double mib_a_second)
{
    const unsigned count = (unsigned)(mib * 1048576 / BYTES);
    am_client *clients[AGENTS], *watch = client_of("watch");
    for (int i = 0; i < AGENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "agent-%d", i);
        clients[i] = client_of(name);
    }
    check(count <= MOST ? 0 : AM_EINVAL, "count");
    fill(clients, text, count);
    struct taken *taken =
        mmap(NULL, sizeof *taken, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const double tenth = machine_has("MemTotal") / 10, start = machine_has("MemAvailable");
    const struct held before = held_now(watch);
    const double killed_before = oom_kills();
    const double started = seconds();
    const pid_t child = fork();
    if (child == 0)
        take(taken, start + EXTRA_MIB, mib_a_second);
    double low = 0, first = 0, most = 0, left = start, at_first = 0;
    int status = 0;
    pid_t ended = 0;
    /* Three seconds longer than the taker: who gives back in the background shows it. */
    for (double until = 0; !until || seconds() < until;) {
        usleep(10000);
        const double now = machine_has("MemAvailable");
        const struct held held = held_now(watch);
        left = now < left ? now : left;
        if (!low && now < tenth)
            low = seconds();
        if (!first && held.hot < before.hot)
            first = seconds(), at_first = now;
        most = before.hot - held.hot > most ? before.hot - held.hot : most;
        if (!ended && (ended = waitpid(child, &status, WNOHANG)) == child)
            until = seconds() + 3;
    }
    const struct held after = held_now(watch);
    figure("short-units", before.hot / 1048576, "MiB");
    figure("short-wanted", start + EXTRA_MIB, "MiB");
    figure("short-taken", taken->mib, "MiB");
    figure("short-taker-killed", WIFSIGNALED(status), "times");
    figure("short-oom-kills", oom_kills() - killed_before, "times");
    figure("short-slowest-mib", taken->slowest_ms, "ms");
    figure("short-least-available", left, "MiB");
    if (low)
        figure("short-low-after", low - started, "s");
    if (first) {
        figure("short-first-after", first - started, "s");
        figure("short-available-then", at_first, "MiB");
    }
    figure("short-left-hot", most / 1048576, "MiB");
    figure("short-hot-after", after.hot / 1048576, "MiB");
    figure("short-warm-after", after.warm / 1048576, "MiB");
    figure("short-cold-after", after.cold / 1048576, "MiB");
    read_back(clients, text, count);
    for (int i = 0; i < AGENTS; i++)
        am_close(clients[i]);
    empties(watch, 120);
    am_close(watch);
    return said();
}
