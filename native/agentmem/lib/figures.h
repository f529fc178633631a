/* What is counted of units, agents and realms, and its shape as JSON (docs/formats/agentmem-stats.md).
 *
 * One noun: figures. They come from the broker's store or from the kernel module; here they are only named
 * and written down, so that a key means the same thing whoever counted. Bytes are logical (what owners see,
 * each owner counted, and each rope that holds a piece), unique (each unit once, ropes too), stored (what it
 * takes). */
#ifndef AM_FIGURES_H
#define AM_FIGURES_H

#include "json.h"

#include <stdbool.h>
#include <stdint.h>

struct am_tier_figures {
    uint64_t units, raw_bytes, stored_bytes;
};
struct am_type_figures {
    uint64_t units, logical_bytes, unique_bytes, stored_bytes;
};
struct am_store_figures {
    struct am_tier_figures tier[4]; /* by enum am_tier */
    struct am_type_figures type[6]; /* by enum am_type */
    uint64_t table_bytes, segment_bytes, warm_bytes, cold_bytes,
        retiring_bytes; /* what memory and disk really take */
    uint64_t realms, agents, readers, units, publishes, found, acquires, restores_warm, restores_cold,
        evictions_warm, evictions_cold, freed, broken;
    uint64_t restore_us[24]; /* histogram: bucket n counts restores of less than 2^n microseconds */
};
struct am_agent_figures {
    const char *name, *realm;
    uint32_t number, space, importance, connections, references;
    int32_t pid;
    int state;
    bool durable;
    uint64_t units, logical_bytes, shared_bytes, private_bytes, opened_ms, used_ms;
    struct am_tier_figures tier[4];
    struct am_type_figures type[6]; /* logical: owned, or held by its ropes; the rest: of what is its own */
};

const char *am_state_word(int state); /* of enum am_agent_state */
/* "tiers", "types" and "store" of STATS; one object of AGENTS. */
void am_json_store(struct am_json *json, const struct am_store_figures *figures);
void am_json_agent(struct am_json *json, const struct am_agent_figures *figures);

#endif
