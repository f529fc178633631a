/* The one stack of a guest: started by the first socket, moved on by whoever waits. */
#ifndef NX_NET_STACK_H
#define NX_NET_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* When a wait is over. Make one with nx_deadline; nx_net_wait keeps it. */
struct nx_deadline {
    int64_t end; /* by nx_monotonic; 0: the clock was not read yet */
    int timeout_ms;
    bool over;
};

static inline struct nx_deadline nx_deadline(int timeout_ms)
{
    return (struct nx_deadline){.timeout_ms = timeout_ms};
}

/* Bring up the loopback, and link 0 where there is one. Later calls do nothing. */
void nx_net_start(void);

/* Move on by one step: packets on the loopback, or else timers that are due and one frame of the link,
 * waiting for it where nothing else is to do. False, once: the time is over, after a last step that did
 * not wait. */
bool nx_net_wait(struct nx_deadline *deadline);

/* To be called by every call of the application: one in sixteen looks at the link and the timers, so that an
 * application that never has to wait still answers others. */
void nx_net_turn(void);

/* Deliver what is queued on the loopback. Whether there was anything. */
bool nx_net_local(void);

#endif
