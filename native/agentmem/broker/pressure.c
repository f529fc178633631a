/* See pressure.h. */
#include "pressure.h"

#include "agentmem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define POLL_MS 2000
#define SHORT_WHILE_STALLED 10 /* less than one of so many parts is available */
#define SHORT_BY_ITSELF 20

int am_pressure_judge(bool stalled, struct am_available left)
{
    if (stalled)
        return !left.total || left.bytes < left.total / SHORT_WHILE_STALLED ? 2 : 0;
    return left.bytes < left.total / SHORT_BY_ITSELF ? 1 : 0;
}

static struct am_available available(void)
{
    return am_available_now("/proc", "/sys/fs/cgroup");
}

static void judge(struct am_pressure *own, bool stalled, uint64_t now_ms)
{
    const int level = am_pressure_judge(stalled, available());
    if (level) {
        own->level = level;
        own->short_ms = now_ms;
        own->events++;
    }
}

static void poll_instead(struct am_pressure *own)
{
    const bool told = available().total > 0;
    own->source = told ? "meminfo" : "none";
    own->poll_at_ms = told ? 0 : UINT64_MAX;
}

static void stalled(struct am_watch *watch, uint32_t events)
{
    struct am_pressure *own = (struct am_pressure *)watch;
    if (events & EPOLLPRI) {
        judge(own, true, am_loop_now());
        return;
    }
    am_pressure_close(own); /* EPOLLERR: the kernel took the trigger away. */
    poll_instead(own);
}

void am_pressure_open(struct am_pressure *own, struct am_loop *loop)
{
    *own = (struct am_pressure){.watch = {.ready = stalled, .fd = -1}, .loop = loop,
                                .poll_at_ms = UINT64_MAX, .source = "psi"};
    /* Microseconds of stalls in a window. Without CAP_SYS_RESOURCE windows are multiples of two seconds. */
    static const char *const triggers[] = {"some 150000 1000000", "some 300000 2000000"};
    for (unsigned i = 0; i < 2; i++) {
        const int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        const size_t bytes = strlen(triggers[i]) + 1;
        if (fd >= 0 && write(fd, triggers[i], bytes) == (ssize_t)bytes
            && am_loop_add(loop, &own->watch, fd, EPOLLPRI) == AM_OK)
            return;
        if (fd >= 0)
            close(fd);
    }
    poll_instead(own);
}

void am_pressure_poll(struct am_pressure *own, uint64_t now_ms)
{
    if (now_ms < own->poll_at_ms)
        return;
    own->poll_at_ms = now_ms + POLL_MS;
    judge(own, false, now_ms);
}

int am_pressure_level(const struct am_pressure *own, uint64_t now_ms)
{
    return own->events && now_ms - own->short_ms < POLL_MS ? own->level : 0;
}

void am_pressure_close(struct am_pressure *own)
{
    if (own->watch.on) {
        am_loop_remove(own->loop, &own->watch);
        close(own->watch.fd);
    }
}
