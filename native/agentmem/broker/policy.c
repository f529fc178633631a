/* Semantic LRU: a weighted sum of what is known of a unit; see policy.h.
 *
 * The weights were fitted by `bench/agentmem_policy.py --fit` on half of its agents and then drawn together
 * (times .6: a small loss there, and less that holds for that half only), except those of importance and of a
 * killed agent, which are what the words say: the trace has neither. The fit began from weights of earlier
 * fits on another split, so its other half is not strictly unseen. Invariant: a pure function of its two
 * arguments, the same bits on every call.
 */
#include "policy.h"

#include <math.h>

const struct am_policy_weights am_policy_default = {
    .agent = {0, 1.2, 4.3, 2.2, -8}, .age = -1, .age_again = 0, .size = -0.24, .importance = 0.02,
    .sharers = 0.9, .type = {0, -0.9, 1.2, -1.1, -0.1, 0}, .newest = 1.9};

/* Seconds on a scale where twice as long is one more. */
static double steps(uint64_t ms)
{
    return log2(1 + (double)ms / 1000);
}

double am_policy_keep(const struct am_policy_unit *unit, const struct am_policy_weights *weights)
{
    const double again = unit->before_ms == UINT64_MAX ? 20 : steps(unit->before_ms); /* once: a fortnight */
    const double dear = log2(1 + (double)unit->bytes / (double)(1 + unit->restore_us));
    return weights->agent[unit->agent < 5 ? unit->agent : 0] +
           weights->type[unit->type < 6 ? unit->type : 0] +
           weights->age * steps(unit->idle_ms) + weights->age_again * again + weights->size * dear +
           weights->importance * unit->importance + weights->sharers * log2(1 + unit->sharers) +
           weights->newest * unit->newest;
}
