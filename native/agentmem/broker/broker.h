/* One broker process, from what its supervisor gave it to its end. */
#ifndef AM_BROKER_H
#define AM_BROKER_H

#include "holder.h"
#include "options.h"
#include "sandbox.h"

struct am_broker_start {
    const struct am_broker_options *options;
    struct am_sandbox sandbox;
    uint8_t secret[32];
    int listener, line;
    struct am_holder *holder; /* what the broker before left; this process's own copy */
    unsigned restarts;
};

#define AM_EXIT_UNUSABLE 78 /* starting again would not help */

int am_broker_run(const struct am_broker_start *start); /* the exit status */

#endif
