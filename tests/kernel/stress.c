/* Many processes, each with two threads on one client, publish, find, map, read, release and disown, while
 * their parent kills them with -9 at random moments and starts others. Usage: stress SECONDS PROCESSES
 * [SEED [PATIENCE]]; where the machine is slow, up to PATIENCE seconds more, until enough was done. What is
 * read must be what was published; when all are gone, nothing may be left. Knows no tiers. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

#define KINDS 24 /* contents that all share */
#define MOST 64

struct counts {
    _Atomic uint64_t publishes, acquires, states, wrong;
};
static struct counts *counts; /* shared by all processes */

static uint64_t length_of(uint64_t kind) { return 100 + kind * kind * 300; }

/* A unit's bytes follow from its kind: what is mapped can be judged without remembering. */
static bool right(const uint8_t *data, uint64_t kind, uint64_t length)
{
    static _Thread_local uint8_t bytes[100 + KINDS * KINDS * 300];
    made_text(bytes, length_of(kind), kind);
    return length == length_of(kind) && memcmp(data, bytes, length) == 0;
}

struct worker {
    int fd;
    uint64_t seed;
    _Atomic bool ends;
};

static bool allowed(int status)
{
    return status == AM_OK || status == AM_ENOTFOUND || status == AM_EQUOTA || status == AM_ENOMEM ||
           status == AM_EBUSY || status == AM_EACCESS;
}

static void wrong(const char *what, int status)
{
    if (counts->wrong++ < 10)
        say(false, "stress-answer", "%s: status %d", what, status);
}

static void one_turn(struct worker *worker, uint8_t *bytes)
{
    struct agentmem_placed placed;
    const uint64_t drawn = chance(&worker->seed), kind = drawn % KINDS;
    const int type = drawn >> 40 & 1 ? AM_CONVERSATION : AM_TOOL_RESULT;
    made_text(bytes, length_of(kind), kind);
    int status = device_publish(worker->fd, type, bytes, length_of(kind), 0, &placed);
    counts->publishes++;
    if (status != AM_OK) {
        if (!allowed(status))
            wrong("publish", status);
        return;
    }
    if (drawn >> 41 & 1) {
        struct agentmem_placed again;
        status = device_acquire(worker->fd, placed.id, &again);
        counts->acquires++;
        if (status == AM_OK) {
            device_release(worker->fd, placed.reference);
            placed = again;
        } else if (!allowed(status)) {
            wrong("acquire", status);
        }
    }
    if (drawn >> 42 & 1) {
        const uint8_t *data = device_map(worker->fd, &placed, drawn >> 43 & 1 ? MAP_SHARED : MAP_PRIVATE);
        if (drawn >> 44 & 1) { /* once: its number may be the other thread's a moment later */
            device_release(worker->fd, placed.reference);
            placed.reference = 0;
        }
        if (data != MAP_FAILED && !right(data, kind, placed.length))
            wrong("bytes", (int)kind);
        if (data != MAP_FAILED)
            munmap((void *)data, placed.length);
    }
    if (drawn >> 45 & 1 && placed.reference)
        device_release(worker->fd, placed.reference);
    if (drawn >> 46 & 1)
        device_unit(worker->fd, AGENTMEM_DISOWN, placed.id, 0);
    if ((drawn >> 47 & 15) == 0) {
        static const uint32_t states[] = {AM_ACTIVE, AM_IDLE, AM_PAUSED};
        status = device_state(worker->fd, "", states[drawn >> 52 & 1 ? 2 : drawn >> 53 & 1], AGENTMEM_LEAVE);
        counts->states++;
        if (!allowed(status))
            wrong("state", status);
    }
}

static void *work(void *of)
{
    struct worker *worker = of;
    uint8_t *bytes = malloc(100 + KINDS * KINDS * 300);
    while (!worker->ends)
        one_turn(worker, bytes);
    free(bytes);
    return NULL;
}

static void process(uint64_t seed)
{
    char name[32];
    for (;;) { /* a client's life: several in a process that nobody kills */
        snprintf(name, sizeof name, "agent-%u", (unsigned)(chance(&seed) % 8));
        struct worker one = {.fd = device_client("stress", name), .seed = chance(&seed)};
        struct worker two = {.fd = one.fd, .seed = chance(&seed)};
        if (one.fd < 0) {
            if (!allowed(one.fd))
                wrong("attach", one.fd);
            continue;
        }
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, &two))
            _exit(1);
        uint8_t *bytes = malloc(100 + KINDS * KINDS * 300);
        for (int turns = (int)(chance(&seed) % 200); turns > 0; turns--)
            one_turn(&one, bytes);
        free(bytes);
        if (chance(&seed) % 4 == 0)
            _exit(0); /* with all that it holds, its other thread in the middle of a call */
        two.ends = true;
        pthread_join(thread, NULL);
        close(one.fd);
    }
}

static pid_t start(uint64_t *seed)
{
    const uint64_t own = chance(seed);
    const pid_t child = fork();
    if (child == 0) {
        process(own);
        _exit(0);
    }
    return child;
}

/* Work, not time. */
static bool enough(uint64_t kills) { return counts->publishes > 100 && kills > 5; }

int main(int count, char **arguments)
{
    const double patience = count > 4 ? atof(arguments[4]) : 60;
    const double limit = count > 1 ? atof(arguments[1]) : 5;
    const int processes = count > 2 ? atoi(arguments[2]) : 8;
    uint64_t seed = count > 3 ? strtoull(arguments[3], NULL, 0) : 1, kills = 0;
    pid_t children[MOST] = {0};
    if (processes < 1 || processes > MOST)
        return EXIT_FAILURE;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const double until = seconds() + limit, last = until + patience;
    for (int i = 0; i < processes; i++)
        children[i] = start(&seed);
    while (seconds() < until || (!enough(kills) && seconds() < last)) {
        const uint64_t drawn = chance(&seed);
        const int i = (int)(drawn % (uint64_t)processes);
        usleep((useconds_t)(drawn >> 32) % 60000);
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
        children[i] = start(&seed);
        kills++;
    }
    for (int i = 0; i < processes; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    struct agentmem_stats left;
    const int fd = device_open();
    const bool empty = device_empties(fd, 10, &left);
    say(counts->wrong == 0, "stress-answers", "%llu wrong", (unsigned long long)counts->wrong);
    say(empty, "stress-nothing-left", "units %llu references %llu agents %llu readers %llu",
        (unsigned long long)left.units, (unsigned long long)left.references, (unsigned long long)left.agents,
        (unsigned long long)left.readers);
    /* Few turns prove nothing. */
    say(enough(kills), "stress-enough", "%llu publishes, %llu kills",
        (unsigned long long)counts->publishes, (unsigned long long)kills);
    say_figure("stress-publishes", (double)counts->publishes, "calls");
    say_figure("stress-acquires", (double)counts->acquires, "calls");
    say_figure("stress-states", (double)counts->states, "calls");
    say_figure("stress-kills", (double)kills, "processes");
    return said();
}
