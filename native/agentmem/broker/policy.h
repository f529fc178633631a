/* Which unit leaves a tier first: semantic LRU (seed 003, "Temporal Awareness" and "Smart eviction").
 *
 * A pure function of what is known of a unit, so that a trace can be replayed against LRU and LRU-K. Larger
 * is kept longer. The weights are one published table (struct am_policy_weights, am_policy_default), fitted
 * on traces held out.
 */
#ifndef AM_POLICY_H
#define AM_POLICY_H

#include <stdint.h>

struct am_policy_unit {
    uint64_t idle_ms;       /* since the last use */
    uint64_t before_ms;     /* between the last use and the one before it; UINT64_MAX: used once */
    uint64_t bytes;         /* that leaving gives back */
    uint64_t restore_us;    /* what coming back costs */
    uint32_t importance;    /* of unit and agent, 0 to 100 */
    uint32_t sharers;       /* agents that own it */
    uint8_t agent;          /* the most awake of its owners: enum am_agent_state; 0: none */
    uint8_t type;           /* enum am_type */
    uint8_t newest;         /* of its conversation: 1 in the last AM_POLICY_RECENT pieces */
};
#define AM_POLICY_RECENT 16

struct am_policy_weights { double agent[5], age, age_again, size, importance, sharers, type[6], newest; };
extern const struct am_policy_weights am_policy_default;
double am_policy_keep(const struct am_policy_unit *unit, const struct am_policy_weights *weights);

/* The ages of the seed, at which a unit goes down even without need. */
#define AM_WARM_AFTER_MS (5ull * 60 * 1000)
#define AM_COLD_AFTER_MS (24ull * 60 * 60 * 1000)

#endif
