/* How short the machine is of memory: the kernel's own word (PSI) where it gives it, polling otherwise.
 *
 * It knows nothing of units. The kernel tells stalls (15 % of a second, or of two), which a busy disk or a
 * process that reads itself in causes too, on a machine with plenty of memory: a stall counts only while less
 * than a tenth is available, of the machine or of a control group. Without PSI that is looked at every two
 * seconds, and less than a twentieth counts by itself. A trigger costs nothing while nobody stalls.
 * Invariant: am_pressure_level is above 0 only for two seconds after a shortage was found.
 */
#ifndef AM_PRESSURE_H
#define AM_PRESSURE_H

#include "available.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>

struct am_pressure {
    struct am_watch watch; /* first: what the loop gives back */
    struct am_loop *loop;
    int level;             /* when it was last short */
    uint64_t short_ms;     /* when that was */
    uint64_t poll_at_ms;   /* UINT64_MAX with a trigger */
    uint64_t events;       /* how often it was found short */
    const char *source;    /* "psi", "meminfo", "none" */
};

void am_pressure_open(struct am_pressure *pressure, struct am_loop *loop);
void am_pressure_poll(struct am_pressure *pressure, uint64_t now_ms); /* when poll_at_ms has come */
/* For am_store_tick: 0 none, 1 next to nothing is left, 2 and somebody waits for memory. */
int am_pressure_level(const struct am_pressure *pressure, uint64_t now_ms);
void am_pressure_close(struct am_pressure *pressure);

/* The level of a moment. Where the system does not say what is available a stall is believed. */
int am_pressure_judge(bool stalled, struct am_available left);

#endif
