/* The event loop: one epoll, descriptors with a callback each, and the time at which somebody wants to be
 * woken.
 *
 * It knows nothing of sockets or units. Invariant: a watch that was removed is not called again, also not for
 * events that were fetched before; so its owner may free it when am_loop_remove returns.
 */
#ifndef AM_LOOP_H
#define AM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct am_loop;
struct am_watch {
    void (*ready)(struct am_watch *watch, uint32_t events);
    int fd;
    bool on;
};

int am_loop_create(struct am_loop **loop);
void am_loop_free(struct am_loop *loop);
/* events as for epoll_ctl (level-triggered). AM_EFILES or AM_ENOMEM. */
int am_loop_add(struct am_loop *loop, struct am_watch *watch, int fd, uint32_t events);
void am_loop_change(struct am_loop *loop, struct am_watch *watch, uint32_t events);
void am_loop_remove(struct am_loop *loop, struct am_watch *watch); /* before the descriptor is closed */
/* Wait until something happens or until `until` (milliseconds, am_loop_now; UINT64_MAX: for ever); call
 * what is ready. */
void am_loop_turn(struct am_loop *loop, uint64_t until);
uint64_t am_loop_now(void); /* CLOCK_BOOTTIME in milliseconds */
uint64_t am_loop_turns(const struct am_loop *loop);

#endif
