/* lwIP without threads or interrupts: time and frames are asked for when a call of nx.h waits.
 *
 * Knows nothing of sockets. Asking is dear (a call of the host costs microseconds, 40 under a nested
 * hypervisor), so packets of the guest to itself move without any, and a frame or the clock are asked for
 * only when nothing else is left to do. Invariant: lwIP is only ever entered from here, or from a call of
 * nx.h. */
#include "stack.h"

#include "link.h"
#include "lwip/init.h"
#include "lwip/timeouts.h"
#include "nx.h"

enum {
    TURNS = 16,      /* calls without a wait before the link is looked at all the same */
    WAIT_MOST = 250, /* milliseconds */
};

static bool started;
static unsigned turns;
static int64_t now_ns; /* as of the last look at the clock */

u32_t sys_now(void)
{
    return (u32_t)((uint64_t)now_ns / 1000000);
}

uint32_t nx_net_random(void)
{
    uint32_t value;
    if (nx_random(&value, sizeof value) < 0)
        nx_panic("the host gives no random numbers");
    return value;
}

void nx_net_start(void)
{
    if (started)
        return;
    started = true;
    now_ns = nx_monotonic();
    lwip_init();
    nx_link_open();
}

bool nx_net_local(void)
{
    bool any = false;
    struct netif *netif;
    NETIF_FOREACH(netif)
    {
        any |= netif->loop_first != NULL;
        netif_poll(netif);
    }
    return any;
}

/* now_ns is fresh. */
static void look(int64_t wait_ms)
{
    turns = 0;
    sys_check_timeouts();
    if (nx_net_local())
        wait_ms = 0; /* a timer sent something again, perhaps to who waits */
    const u32_t timer = sys_timeouts_sleeptime();
    if (wait_ms > timer)
        wait_ms = timer;
    if (wait_ms > WAIT_MOST)
        wait_ms = WAIT_MOST;
    if (wait_ms > 0)
        nx_flush();
    nx_link_receive((uint32_t)wait_ms);
    nx_net_local();
}

void nx_net_turn(void)
{
    nx_net_local();
    if (++turns >= TURNS) {
        now_ns = nx_monotonic();
        look(0);
    }
}

bool nx_net_wait(struct nx_deadline *deadline)
{
    if (deadline->over)
        return false;
    if (nx_net_local() && ++turns < TURNS)
        return true;
    now_ns = nx_monotonic();
    int64_t left = WAIT_MOST;
    if (deadline->timeout_ms >= 0) {
        if (deadline->timeout_ms > 0 && deadline->end == 0)
            deadline->end = now_ns + (int64_t)deadline->timeout_ms * 1000000;
        left = deadline->timeout_ms > 0 ? (deadline->end - now_ns + 999999) / 1000000 : 0;
        if (left <= 0) {
            left = 0;
            deadline->over = true;
        }
    }
    look(left);
    return true;
}
