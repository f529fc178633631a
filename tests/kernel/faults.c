/* Every allocation that a call makes fails once, the first, the second and so on (/proc/self/fail-nth, which serves
 * failslab, fail_page_alloc and fail_usercopy). A call must answer with AM_ENOMEM, or ENOMEM or EFAULT, change
 * nothing, and work when it is made again. Where the kernel has no fault injection, which is so in all of Debian's,
 * the program says so. Knows no module: it judges answers and figures. */
#include <sys/stat.h>

#include "device.h"
#include "say.h"

#define TALK 150000ull

static uint8_t bytes[TALK];
static struct agentmem_placed placed;
static int client = -1;

static int attach(void)
{
    const int fd = device_client("faults", "one");
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? AM_OK : fd;
}

static int publish(void)
{
    struct agentmem_placed is;
    const int status = device_publish(client, AM_CONVERSATION, bytes, TALK, 0, &is);
    if (status == AM_OK) {
        device_release(client, is.reference);
        device_unit(client, AGENTMEM_DISOWN, is.id, 0);
    }
    return status;
}

static int publish_small(void)
{
    struct agentmem_placed is;
    const int status = device_publish(client, AM_TOOL_DEF, bytes, 700, AGENTMEM_NO_REFERENCE, &is);
    if (status == AM_OK)
        device_unit(client, AGENTMEM_DISOWN, is.id, 0);
    return status;
}

static int acquire(void)
{
    struct agentmem_placed is;
    const int status = device_acquire(client, placed.id, &is);
    if (status == AM_OK)
        device_release(client, is.reference);
    return status;
}

static int own(void)
{
    return device_unit(client, AGENTMEM_OWN, placed.id, 0);
}

static int sleep_and_wake(void)
{
    const int status = device_state(client, "", AM_PAUSED, AGENTMEM_LEAVE);
    return status ? status : acquire();
}

static int map(void)
{
    struct agentmem_placed is;
    int status = device_acquire(client, placed.id, &is);
    if (status)
        return status;
    const uint8_t *data = device_map(client, &is, MAP_SHARED);
    if (data == MAP_FAILED)
        status = DEVICE_ERRNO(errno);
    else
        munmap((void *)data, TALK);
    device_release(client, is.reference);
    return status;
}

static int stats(void)
{
    struct agentmem_stats is;
    return device_stats(client, &is);
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
    if (pwrite(fd, "0", 1, 0) != 1)
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
    static const struct { const char *name; int (*call)(void); } calls[] = {
        {"attach", attach}, {"publish", publish}, {"publish-small", publish_small}, {"acquire", acquire}, {"own", own},
        {"sleep-and-wake", sleep_and_wake}, {"map", map}, {"stats", stats}, {"proc", proc}};
    static const char *const injected[] = {"failslab", "fail_page_alloc", "fail_usercopy"};
    struct stat is;
    if (stat("/proc/thread-self/fail-nth", &is) != 0 || stat("/sys/kernel/debug/failslab", &is) != 0) {
        say(true, "faults-absent", "this kernel has no fault injection (CONFIG_FAILSLAB): no allocation was made to fail");
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
    say(device_publish(client, AM_CONVERSATION, bytes, TALK, AGENTMEM_NO_REFERENCE, &placed) == AM_OK, "faults-unit",
        " ");
    bytes[0] = '?';
    int total = 0, refused = 0;
    struct agentmem_stats before, after;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        device_stats(client, &before);
        bool good = true;
        int n = 1, status;
        for (; n < 2000 && failing(n, calls[i].call, &status); n++) {
            if (!allowed(status) && good)
                good = say(false, calls[i].name, "allocation %d: status %d", n, status);
            refused += status != AM_OK;
            if (calls[i].call() != AM_OK && good)
                good = say(false, calls[i].name, "does not work after allocation %d failed", n);
        }
        total += n - 1;
        device_stats(client, &after);
        good = good && after.units == before.units && after.references == before.references;
        char name[40];
        snprintf(name, sizeof name, "faults-%s", calls[i].name);
        say(good && n < 2000, name, "%d failures, units %llu, references %llu", n - 1, (unsigned long long)after.units,
            (unsigned long long)after.references);
    }
    struct agentmem_placed again;
    bytes[0] = '!';
    const uint8_t *data = device_acquire(client, placed.id, &again) ? MAP_FAILED : device_map(client, &again, MAP_SHARED);
    say(data != MAP_FAILED && memcmp(data, bytes, TALK) == 0, "faults-bytes", "as they were");
    if (data != MAP_FAILED)
        munmap((void *)data, TALK);
    close(client);
    say(total > 20 && refused > 10, "faults-enough", "%d failures, %d calls refused", total, refused);
    say_figure("faults-injected", total, "failures");
    const int fd = device_open();
    say(device_empties(fd, 5, &after), "faults-nothing-left", "units %llu", (unsigned long long)after.units);
    return said();
}
