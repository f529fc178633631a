// SPDX-License-Identifier: GPL-2.0
/*
 * The content table: from the whole 256-bit id to the unit. Knows nothing of tiers. Readers use RCU and
 * count themselves in only above zero; writers hold am_lock, and the count reaches zero only under
 * it, so the table never holds two units of one id and never loses one that is still counted.
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

/* A unit that this agent may see, counted; NULL. */
struct am_unit *am_table_find(const u8 *id, const struct am_agent *agent)
{
	struct am_unit *unit;

	rcu_read_lock();
	unit = rhashtable_lookup(&table, id, how);
	if (unit && (unit->realm != agent->realm ||
		     (unit->space && unit->space != agent->number) ||
		     !kref_get_unless_zero(&unit->refs)))
		unit = NULL;
	rcu_read_unlock();
	return unit;
}

/*
 * Put a new unit in, which keeps the caller's count. If its content came in meanwhile, that one is
 * returned, counted, and the new one is still the caller's. ERR_PTR without memory for the table.
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
		kref_get(&other->refs);
	}
	spin_unlock(&am_lock);
	return other;
}

static void release(struct kref *refs) __releases(&am_lock)
{
	struct am_unit *unit = container_of(refs, struct am_unit, refs);

	rhashtable_remove_fast(&table, &unit->node, how);
	am_unshelve(unit);
	am_tally(unit, -1);
	unit->realm->counts.freed++;
	trace_agentmem_free(unit->realm->name, unit->number, unit->type, unit->length);
	spin_unlock(&am_lock);
	am_unit_free(unit);
}

/* May sleep: the last one frees the bytes. */
void am_unit_put(struct am_unit *unit)
{
	might_sleep();
	kref_put_lock(&unit->refs, release, &am_lock);
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
