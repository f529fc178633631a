// SPDX-License-Identifier: GPL-2.0
/*
 * Owning: an agent keeps a unit after the references have gone. A link hangs in the unit's list and
 * in the agent's, both under am_lock, and holds the unit once. Knows nothing of bytes.
 */
#include "inside.h"
#include "trace.h"

#include <linux/slab.h>

static struct am_owner *link_of(const struct am_unit *unit, const struct am_agent *agent)
{
	struct am_owner *owner;

	list_for_each_entry(owner, &unit->owners, in_unit)
		if (owner->agent == agent)
			return owner;
	return NULL;
}

/* Under am_lock. The caller is to put the unit. */
static void cut(struct am_owner *owner)
{
	am_tally_owner(owner->unit, owner->agent, -1);
	list_del(&owner->in_unit);
	list_del(&owner->in_agent);
	kfree(owner);
}

static bool quota_allows(const struct am_agent *agent, u64 length)
{
	const unsigned int units = READ_ONCE(am_agent_units);
	const u64 bytes = READ_ONCE(am_agent_bytes);

	lockdep_assert_held(&am_lock);
	if (units && agent->units >= units)
		return false;
	return !bytes || (length <= bytes && agent->logical <= bytes - length);
}

bool am_quota_left(struct am_agent *agent, u64 length)
{
	bool left;

	spin_lock(&am_lock);
	left = quota_allows(agent, length);
	spin_unlock(&am_lock);
	return left;
}

int am_own(struct am_agent *agent, struct am_unit *unit, bool droppable)
{
	struct am_owner *owner = kmalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);
	int status = AM_OK;

	if (!owner)
		return AM_ENOMEM;
	spin_lock(&am_lock);
	if (agent->state == AM_KILLED)
		status = AM_EACCESS;
	else if (link_of(unit, agent))
		;
	else if (!quota_allows(agent, unit->length))
		status = AM_EQUOTA;
	else {
		owner->unit = unit;
		owner->agent = agent;
		unit->holders++;
		list_add_tail(&owner->in_unit, &unit->owners);
		list_add_tail(&owner->in_agent, &agent->owned);
		am_tally_owner(unit, agent, 1);
		owner = NULL;
	}
	if (!status && unit->droppable && !droppable) {
		bool shelved = !list_empty(&unit->shelf);

		am_unshelve(unit);
		unit->droppable = false;
		if (shelved)
			am_shelve(unit);
	}
	spin_unlock(&am_lock);
	kfree(owner);
	return status;
}

int am_disown(struct am_agent *agent, const u8 *id)
{
	struct am_unit *unit = am_table_find(id, agent);
	struct am_owner *owner;

	if (!unit)
		return AM_ENOTFOUND;
	spin_lock(&am_lock);
	owner = link_of(unit, agent);
	if (owner)
		cut(owner);
	spin_unlock(&am_lock);
	if (owner)
		am_unit_put(unit);
	am_unit_put(unit);
	return owner ? AM_OK : AM_ENOTFOUND;
}

void am_disown_all(struct am_agent *agent)
{
	struct am_owner *owner;
	struct am_unit *unit;

	do {
		unit = NULL;
		spin_lock(&am_lock);
		owner = list_first_entry_or_null(&agent->owned, struct am_owner, in_agent);
		if (owner) {
			unit = owner->unit;
			cut(owner);
		}
		spin_unlock(&am_lock);
		if (unit)
			am_unit_put(unit);
		cond_resched();
	} while (unit);
}

/*
 * Take a droppable unit from all who own it; the pages that come back when the caller unwatches it.
 */
unsigned int am_drop(struct am_unit *unit)
{
	struct am_owner *owner, *next;
	unsigned int links = 0;
	u64 bytes = 0;

	spin_lock(&am_lock);
	if (unit->droppable && !unit->pins && !unit->cooling && unit->importance < 100) {
		list_for_each_entry_safe(owner, next, &unit->owners, in_unit) {
			cut(owner);
			links++;
		}
		if (links) {
			unit->realm->counts.dropped++;
			bytes = unit->packed ? am_packed_bytes(unit->packed) : am_hot_bytes(unit);
		}
	}
	spin_unlock(&am_lock);
	if (links)
		trace_agentmem_drop(unit->realm->name, unit->number, unit->type, unit->length);
	while (links--)
		am_unit_put(unit);
	return DIV_ROUND_UP(bytes, PAGE_SIZE);
}
