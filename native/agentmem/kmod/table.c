// SPDX-License-Identifier: GPL-2.0
/*
 * The content table: from the whole 256-bit id to the unit. Knows nothing of tiers. Readers look
 * under RCU and become holders under am_lock; writers hold am_lock, and holders reach zero only
 * under it: the table never has two units of one id, none that nobody holds and all that somebody
 * holds.
 */
#include "inside.h"
#include "trace.h"

#include <linux/slab.h>

static struct rhashtable table;

static const struct rhashtable_params how = {
	.key_len = AM_ID,
	.key_offset = offsetof(struct am_unit, id),
	.head_offset = offsetof(struct am_unit, node),
	.automatic_shrinking = true,
};

void am_unit_hold(struct am_unit *unit)
{
	spin_lock(&am_lock);
	unit->holders++;
	spin_unlock(&am_lock);
}

/* A unit that this agent may see, held; NULL. */
struct am_unit *am_table_find(const u8 *id, const struct am_agent *agent)
{
	struct am_unit *unit;

	rcu_read_lock();
	unit = rhashtable_lookup(&table, id, how);
	if (unit) {
		spin_lock(&am_lock);
		if (!unit->holders || unit->realm != agent->realm ||
		    (unit->space && unit->space != agent->number))
			unit = NULL;
		else
			unit->holders++;
		spin_unlock(&am_lock);
	}
	rcu_read_unlock();
	return unit;
}

/*
 * Put a new unit in, which the caller holds. If its content came in meanwhile, that one is
 * returned, held, and the new one is still the caller's. ERR_PTR without memory for the table.
 */
struct am_unit *am_table_insert(struct am_unit *unit)
{
	struct am_unit *other;

	spin_lock(&am_lock);
	other = rhashtable_lookup_get_insert_fast(&table, &unit->node, how);
	if (!other) {
		unit->number = ++unit->realm->numbers;
		am_tally(unit, 1);
		am_shelve(unit);
		other = unit;
	} else if (!IS_ERR(other)) {
		other->holders++;
	}
	spin_unlock(&am_lock);
	return other;
}

static void release(struct kref *refs)
{
	am_unit_free(container_of(refs, struct am_unit, refs));
}

/* A worker is done with a unit. May sleep: the last one frees the bytes. */
void am_unit_unwatch(struct am_unit *unit)
{
	might_sleep();
	kref_put(&unit->refs, release);
}

/* One holder less. May sleep, as above. */
void am_unit_put(struct am_unit *unit)
{
	bool last;

	spin_lock(&am_lock);
	last = !--unit->holders;
	if (last) {
		rhashtable_remove_fast(&table, &unit->node, how);
		am_unshelve(unit);
		am_tally(unit, -1);
		unit->realm->counts.freed++;
	}
	spin_unlock(&am_lock);
	if (!last)
		return;
	trace_agentmem_free(unit->realm->name, unit->number, unit->type, unit->length);
	am_unit_unwatch(unit);
}

int am_table_start(void)
{
	return rhashtable_init(&table, &how);
}

/* No client, no mapping and no worker is left. */
void am_table_stop(void)
{
	WARN_ON(atomic_read(&table.nelems));
	rhashtable_destroy(&table);
}
