/* The module cannot be taken out while somebody uses it, and can be when nobody does, however often.
 * Usage: unload MODULE.ko ROUNDS; the module is loaded when it begins and when it ends.
 * In use: an open file, attached or not; a mapping alone; processes that open and close as fast as they can. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

static int take_out(void)
{
    return syscall(SYS_delete_module, "agentmem", O_NONBLOCK) ? errno : 0;
}

static int put_in(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const int number = fd < 0 || syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return number;
}

/* Linux says EWOULDBLOCK for a module whose count is not zero, EBUSY for one that comes or goes. */
static void busy(const char *name)
{
    const int number = take_out();
    say(number == EWOULDBLOCK || number == EBUSY, name, "errno %d", number);
}

static uint64_t epoch(void)
{
    struct agentmem_info info = {0};
    const int fd = device_open();
    const int status = fd < 0 ? fd : DEVICE_CALL(fd, AGENTMEM_INFO, &info);
    if (fd >= 0)
        close(fd);
    return status == AM_OK ? info.epoch : 0;
}

static bool there(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0;
}

static void hammer(uint64_t seed)
{
    char text[512];
    for (;;) {
        const int fd = device_client("unload", "hammer");
        if (fd >= 0 && chance(&seed) % 2)
            device_publish(fd, AM_CONVERSATION, text, sizeof text, 0, NULL);
        if (fd >= 0)
            close(fd);
        const int stats = open("/proc/agent_stats", O_RDONLY);
        if (stats >= 0) {
            (void)!read(stats, text, sizeof text);
            close(stats);
        }
    }
}

int main(int count, char **arguments)
{
    struct agentmem_placed placed;
    struct agentmem_stats left;
    if (count != 3)
        return EXIT_FAILURE;
    int fd = device_open();
    busy("unload-open");
    device_attach(fd, "unload", "one");
    busy("unload-attached");
    device_publish(fd, AM_CONVERSATION, "words that stay", 16, 0, &placed);
    const char *data = device_map(fd, &placed, MAP_SHARED);
    close(fd);
    busy("unload-mapped");
    say(data != MAP_FAILED && strcmp(data, "words that stay") == 0, "unload-mapped-bytes", " ");
    munmap((void *)data, placed.length);

    const uint64_t was = epoch();
    const int stats = open("/proc/agent_stats", O_RDONLY);
    int number = take_out();
    char text[64];
    say(number == 0 && !there(AGENTMEM_DEVICE) && !there("/proc/agent_stats"), "unload", "errno %d", number);
    /* A file of /proc outlives its module: reading it may fail, and does no more than that. */
    say(lseek(stats, 0, SEEK_SET) != 99 && read(stats, text, sizeof text) <= 0, "unload-proc-held", "errno %d", errno);
    close(stats);
    say(take_out() == ENOENT, "unload-twice", "ENOENT");
    number = put_in(arguments[1]);
    const uint64_t is = epoch();
    say(number == 0 && is != 0 && is != was, "load-again", "errno %d, another epoch", number);

    pid_t hammers[3];
    int out = 0, held = 0, other = 0;
    for (int i = 0; i < 3; i++)
        if ((hammers[i] = fork()) == 0)
            hammer((uint64_t)i);
    const int rounds = atoi(arguments[2]);
    for (int i = 0; i < rounds; i++) {
        number = take_out();
        held += number == EWOULDBLOCK || number == EBUSY;
        if (number == 0) {
            out++;
            other += put_in(arguments[1]) != 0;
        } else if (number != EWOULDBLOCK && number != EBUSY) {
            other++;
        }
        usleep(2000);
    }
    for (int i = 0; i < 3; i++) {
        kill(hammers[i], SIGKILL);
        waitpid(hammers[i], NULL, 0);
    }
    say(other == 0 && out + held == rounds, "unload-hammered", "%d times out, %d times refused, %d other", out, held,
        other);
    fd = device_open();
    say(device_empties(fd, 3, &left), "unload-nothing-left", "units %llu", (unsigned long long)left.units);
    close(fd);
    number = take_out();
    say(number == 0, "unload-after", "errno %d", number);
    number = put_in(arguments[1]);
    say(number == 0, "load-after", "errno %d", number);
    return said();
}
