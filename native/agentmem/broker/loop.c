/* See loop.h. */
#include "loop.h"

#include "agentmem.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 64

struct am_loop {
    int epoll;
    int fetched, at; /* events of this turn, and the one being called */
    uint64_t turns;
    struct epoll_event events[AT_ONCE];
};

int am_loop_create(struct am_loop **made)
{
    struct am_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return AM_ENOMEM;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return AM_EFILES;
    }
    *made = loop;
    return AM_OK;
}

void am_loop_free(struct am_loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll);
    free(loop);
}

int am_loop_add(struct am_loop *loop, struct am_watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return errno == ENOSPC ? AM_EFILES : AM_ENOMEM;
    watch->fd = fd;
    watch->on = true;
    return AM_OK;
}

void am_loop_change(struct am_loop *loop, struct am_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch->on)
        epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void am_loop_remove(struct am_loop *loop, struct am_watch *watch)
{
    if (!watch->on)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->on = false;
    for (int i = loop->at + 1; i < loop->fetched; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

void am_loop_turn(struct am_loop *loop, uint64_t until)
{
    const uint64_t now = am_loop_now();
    int wait = -1;
    if (until != UINT64_MAX)
        wait = until <= now ? 0 : until - now > 3600000 ? 3600000 : (int)(until - now);
    loop->fetched = epoll_wait(loop->epoll, loop->events, AT_ONCE, wait);
    loop->turns++;
    for (loop->at = 0; loop->at < loop->fetched; loop->at++) {
        struct am_watch *watch = loop->events[loop->at].data.ptr;
        if (watch)
            watch->ready(watch, loop->events[loop->at].events);
    }
    loop->fetched = 0;
}

uint64_t am_loop_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t am_loop_turns(const struct am_loop *loop)
{
    return loop->turns;
}
