// SPDX-License-Identifier: GPL-2.0
/*
 * From hot to warm, and out. Knows nothing of who asks. Compressing happens outside am_lock on
 * bytes that cannot change or go (cooling is set, the unit is watched); if somebody pinned the unit
 * meanwhile, what was compressed is thrown away and nobody has waited.
 */
#include "inside.h"
#include "trace.h"

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

/* A larger unit is compressed by the worker, not by who needs memory. */
#define RECLAIM_MOST (4u << 20)
#define STEPS 256 /* units of an agent looked at while the lock is held */

/*
 * The pages that compressing this unit gave back; 0 when it is in use or does not become smaller;
 * -ENOMEM. The caller watches it and holds am_packer.
 */
long am_cool(struct am_unit *unit, gfp_t gfp)
{
	u64 before = am_hot_bytes(unit), most = before - before / 4, after = 0;
	struct am_packed *packed;
	void *hot = NULL;

	spin_lock(&am_lock);
	if (unit->holders && unit->hot && !unit->pins && !unit->cooling && !unit->unfit &&
	    am_is_text(unit)) {
		unit->cooling = true;
		hot = unit->hot;
	}
	spin_unlock(&am_lock);
	if (!hot)
		return 0;
	packed = am_pack(hot, unit->length, most, gfp);
	spin_lock(&am_lock);
	unit->cooling = false;
	if (!unit->pins && unit->holders) {
		am_unshelve(unit);
		if (IS_ERR(packed)) {
			unit->unfit = PTR_ERR(packed) == -E2BIG;
		} else {
			after = am_packed_bytes(packed);
			am_tally(unit, -1);
			unit->packed = packed;
			unit->hot = NULL;
			am_tally(unit, 1);
			unit->realm->counts.evictions++;
		}
		am_shelve(unit);
	}
	spin_unlock(&am_lock);
	if (!after) {
		if (IS_ERR(packed))
			return PTR_ERR(packed) == -ENOMEM ? -ENOMEM : 0;
		am_packed_free(packed);
		return 0;
	}
	vfree(hot);
	am_stored_became(before, after);
	trace_agentmem_cool(unit->realm->name, unit->number, unit->type, unit->length, after);
	return DIV_ROUND_UP(before - after, PAGE_SIZE);
}

/*
 * The next of an agent's own text units that can be compressed, watched; NULL: none among the next
 * few. *after is the number that was reached; at the end of all it is U64_MAX.
 */
static struct am_unit *next_of(struct am_agent *agent, u64 *after)
{
	struct am_unit *unit = NULL;
	struct am_owner *owner;
	unsigned int steps = STEPS;

	spin_lock(&am_lock);
	owner = am_owner_above(agent, *after);
	for (; owner && steps && !unit; owner = am_owner_next(owner), steps--) {
		*after = owner->unit->number;
		if (owner->unit->space && owner->unit->hot && !owner->unit->pins &&
		    !owner->unit->unfit && am_is_text(owner->unit)) {
			unit = owner->unit;
			kref_get(&unit->refs);
		}
	}
	if (!owner && !unit)
		*after = U64_MAX;
	spin_unlock(&am_lock);
	return unit;
}

/* The private text units of an agent that is paused, now; those that come meanwhile are let be. */
void am_cool_agent(struct am_agent *agent)
{
	struct am_unit *unit;
	long gave = 0;
	u64 after = 0, last;

	spin_lock(&am_lock);
	last = agent->realm->numbers;
	spin_unlock(&am_lock);
	while (after < last && gave >= 0 && !signal_pending(current)) {
		unit = next_of(agent, &after);
		if (unit) {
			gave = mutex_lock_killable(&am_packer);
			if (!gave) {
				gave = am_cool(unit, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
				mutex_unlock(&am_packer);
			}
			am_unit_unwatch(unit);
		}
		cond_resched();
	}
}

static unsigned long each(bool drop, unsigned long pages, gfp_t gfp, bool reclaim)
{
	struct am_unit *chosen[AM_CHOICE];
	unsigned int n = am_choose(drop, false, chosen), i;
	unsigned long gave = 0;

	for (i = 0; i < n; i++) {
		struct am_unit *unit = chosen[i];
		long pages_of_it = 0;

		if (gave < pages && drop)
			pages_of_it = am_drop(unit);
		else if (gave < pages && !(reclaim && unit->length > RECLAIM_MOST))
			pages_of_it = am_cool(unit, gfp);
		am_unit_unwatch(unit);
		if (pages_of_it > 0)
			gave += pages_of_it;
	}
	return gave;
}

/* Compress, when that gives nothing more drop, until so many pages are back or nothing is left. */
unsigned long am_give_back(unsigned long pages, bool reclaim)
{
	gfp_t gfp = reclaim ? GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC :
			      GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	unsigned long gave = 0, now;

	if (reclaim && !mutex_trylock(&am_packer))
		return 0;
	if (!reclaim && mutex_lock_killable(&am_packer))
		return 0;
	do {
		now = each(false, pages - gave, gfp, reclaim);
		if (!now)
			now = each(true, pages - gave, gfp, reclaim);
		gave += now;
		cond_resched();
	} while (now && gave < pages && (reclaim || !fatal_signal_pending(current)));
	mutex_unlock(&am_packer);
	return gave;
}
