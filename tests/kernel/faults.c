/* Every allocation that a call makes fails once, the first, the second and so on (/proc/self/fail-nth, which
 * serves failslab, fail_page_alloc and fail_usercopy). A call must answer with AM_ENOMEM, or ENOMEM or
 * EFAULT, change nothing, and work when it is made again. Where the kernel has no fault injection, which is
 * so in all of Debian's, the program says so. Knows no module: it judges answers and figures. */
#include <sys/stat.h>

#include "device.h"
#include "say.h"

#define TALK 150000ull

static uint8_t bytes[TALK];
static struct agentmem_placed placed, held;
static int client = -1;

static struct agentmem_placed got; /* of the last call, for `undo` */
static int opened = -1;
static void *mapped = MAP_FAILED;

static int attach(void)
{
    opened = device_client("faults", "two");
    return opened >= 0 ? AM_OK : opened;
}

static int publish(void)
{
    return device_publish(client, AM_CONVERSATION, bytes, TALK, 0, &got);
}

static int publish_small(void)
{
    return device_publish(client, AM_TOOL_DEF, bytes, 700, AGENTMEM_NO_REFERENCE, &got);
}

static int acquire(void)
{
    return device_acquire(client, placed.id, &got);
}

static int own(void)
{
    return device_unit(client, AGENTMEM_OWN, placed.id, 0);
}

static int pause_agent(void)
{
    return device_state(client, "", AM_PAUSED, AGENTMEM_LEAVE);
}

/* Of a unit that has been compressed: it is restored. */
static int restore(void)
{
    return device_acquire(client, placed.id, &got);
}

static int map(void)
{
    mapped = device_map(client, &held, MAP_SHARED);
    if (mapped == MAP_FAILED)
        return DEVICE_ERRNO(errno);
    return *(volatile uint8_t *)mapped == '!' ? AM_OK : DEVICE_ERRNO(EIO);
}

static int stats(void)
{
    struct agentmem_stats is;
    return device_stats(client, &is);
}

static int owned(void)
{
    struct agentmem_owned page;
    return device_owned(client, 0, &page);
}

static int proc(void)
{
    char text[4096];
    const int fd = open("/proc/agent_stats", O_RDONLY);
    if (fd < 0)
        return DEVICE_ERRNO(errno);
    const int status = read(fd, text, sizeof text) < 0 ? DEVICE_ERRNO(errno) : AM_OK;
    close(fd);
    return status;
}

/* What the call left, where it left something; and restore's next call finds the unit compressed. */
static void undo(int (*call)(void))
{
    if (opened >= 0)
        close(opened);
    opened = -1;
    if (mapped != MAP_FAILED)
        munmap(mapped, TALK);
    mapped = MAP_FAILED;
    if (got.reference)
        device_release(client, got.reference);
    if (call == publish || call == publish_small) {
        uint8_t id[32]; /* a publish whose answer was lost may own all the same */
        const bool small = call == publish_small;
        if (device_identify(client, small ? AM_TOOL_DEF : AM_CONVERSATION, bytes, small ? 700 : TALK,
                            small ? 0 : AGENTMEM_PRIVATE, id) == AM_OK)
            device_unit(client, AGENTMEM_DISOWN, id, 0);
    }
    got = (struct agentmem_placed){0};
    if (call == restore)
        device_state(client, "", AM_PAUSED, AGENTMEM_LEAVE);
}

/* Make the n-th call that may fail do so during `call`; true when there was an n-th. */
static bool failing(int n, int (*call)(void), int *status)
{
    char text[16] = {0};
    const int fd = open("/proc/thread-self/fail-nth", O_RDWR);
    const int length = snprintf(text, sizeof text, "%d", n);
    if (fd < 0 || write(fd, text, (size_t)length) != length) {
        say(false, "faults-file", "errno %d", errno);
        exit(said());
    }
    *status = call();
    memset(text, 0, sizeof text);
    const bool reached = pread(fd, text, sizeof text - 1, 0) > 0 && atoi(text) == 0;
    /* Where the call had fewer, this write may be what fails. */
    if (pwrite(fd, "0", 1, 0) != 1 && pwrite(fd, "0", 1, 0) != 1)
        say(false, "faults-off", "errno %d", errno);
    close(fd);
    return reached;
}

static bool allowed(int status)
{
    return status == AM_OK || status == AM_ENOMEM || status == AM_EINVAL || status == DEVICE_ERRNO(ENOMEM) ||
           status == DEVICE_ERRNO(EFAULT);
}

static void set(const char *folder, const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/kernel/debug/%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(value, file);
        fclose(file);
    }
}

int main(void)
{
    static const struct {
        const char *name;
        int (*call)(void);
    } calls[] = {{"attach", attach},   {"publish", publish}, {"publish-small", publish_small},
                 {"acquire", acquire}, {"own", own},         {"pause", pause_agent}, {"restore", restore},
                 {"map", map},         {"stats", stats},     {"proc", proc},
                 {"owned", owned}};
    static const char *const injected[] = {"failslab", "fail_page_alloc", "fail_usercopy"};
    struct stat is;
    if (stat("/proc/thread-self/fail-nth", &is) != 0 || stat("/sys/kernel/debug/failslab", &is) != 0) {
        say(true, "faults-absent",
            "this kernel has no fault injection (CONFIG_FAILSLAB): no allocation was made to fail");
        return said();
    }
    for (size_t i = 0; i < sizeof injected / sizeof *injected; i++) {
        set(injected[i], "ignore-gfp-wait", "N"); /* allocations that may sleep fail too */
        set(injected[i], "ignore-gfp-highmem", "N");
        set(injected[i], "min-order", "0");
        set(injected[i], "verbose", "0");
    }
    made_text(bytes, TALK, 5);
    client = device_client("faults", "one");
    bytes[0] = '!';
    say(device_publish(client, AM_CONVERSATION, bytes, TALK, AGENTMEM_NO_REFERENCE, &placed) == AM_OK,
        "faults-unit", " ");
    bytes[0] = '?';
    int total = 0, refused = 0;
    struct agentmem_stats before, after;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        device_stats(client, &before);
        if (calls[i].call == map)
            device_acquire(client, placed.id, &held);
        bool good = true;
        int n = 1, status;
        for (; n < 2000 && failing(n, calls[i].call, &status); n++) {
            if (!allowed(status) && good)
                good = say(false, calls[i].name, "allocation %d: status %d", n, status);
            refused += status != AM_OK;
            undo(calls[i].call);
            if (calls[i].call() != AM_OK && good)
                good = say(false, calls[i].name, "does not work after allocation %d failed", n);
            undo(calls[i].call);
        }
        undo(calls[i].call);
        if (calls[i].call == map)
            device_release(client, held.reference);
        total += n - 1;
        device_stats(client, &after);
        good = good && after.units == before.units && after.references == before.references;
        char name[40];
        snprintf(name, sizeof name, "faults-%s", calls[i].name);
        say(good && n < 2000, name, "%d failures, units %llu, references %llu", n - 1,
            (unsigned long long)after.units, (unsigned long long)after.references);
    }
    struct agentmem_placed again;
    bytes[0] = '!';
    const uint8_t *data =
        device_acquire(client, placed.id, &again) ? MAP_FAILED : device_map(client, &again, MAP_SHARED);
    say(data != MAP_FAILED && memcmp(data, bytes, TALK) == 0, "faults-bytes", "as they were");
    if (data != MAP_FAILED)
        munmap((void *)data, TALK);
    close(client);
    say(total > 20 && refused > 10, "faults-enough", "%d failures, %d calls refused", total, refused);
    say_figure("faults-injected", total, "failures");
    const int fd = device_open();
    const bool empty = device_empties(fd, 5, &after);
    say(empty, "faults-nothing-left", "units %llu", (unsigned long long)after.units);
    return said();
}
