// SPDX-License-Identifier: GPL-2.0
/*
 * Owning: an agent keeps a unit after the references have gone. A link hangs in the unit's list and
 * in the agent's tree, both under am_lock, and holds the unit once. Knows nothing of bytes. The tree
 * is ordered by the units' numbers, which no two units of a realm ever have: who walks it may let
 * the lock go and come back with the number it has reached.
 */
#include "inside.h"
#include "trace.h"

#include <linux/slab.h>

static struct am_owner *of_node(struct rb_node *node)
{
	return rb_entry_safe(node, struct am_owner, in_agent);
}

/* The link to the unit with the smallest number above this one, or NULL. */
struct am_owner *am_owner_above(const struct am_agent *agent, u64 number)
{
	struct rb_node *at = agent->owned.rb_node;
	struct am_owner *best = NULL;

	lockdep_assert_held(&am_lock);
	while (at) {
		struct am_owner *owner = of_node(at);

		if (owner->unit->number > number) {
			best = owner;
			at = at->rb_left;
		} else {
			at = at->rb_right;
		}
	}
	return best;
}

struct am_owner *am_owner_next(const struct am_owner *owner)
{
	return of_node(rb_next(&owner->in_agent));
}

static struct am_owner *link_of(const struct am_unit *unit, const struct am_agent *agent)
{
	struct am_owner *owner = am_owner_above(agent, unit->number - 1);

	return owner && owner->unit == unit ? owner : NULL;
}

/* It is not in the agent's tree yet. */
static void tie(struct am_owner *owner)
{
	struct rb_node **to = &owner->agent->owned.rb_node, *above = NULL;

	while (*to) {
		above = *to;
		to = owner->unit->number < of_node(above)->unit->number ? &above->rb_left :
									   &above->rb_right;
	}
	rb_link_node(&owner->in_agent, above, to);
	rb_insert_color(&owner->in_agent, &owner->agent->owned);
	list_add_tail(&owner->in_unit, &owner->unit->owners);
	owner->unit->holders++;
	am_tally_owner(owner->unit, owner->agent, 1);
}

/* Under am_lock. The caller is to put the unit. */
static void cut(struct am_owner *owner)
{
	am_tally_owner(owner->unit, owner->agent, -1);
	list_del(&owner->in_unit);
	rb_erase(&owner->in_agent, &owner->agent->owned);
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
		tie(owner);
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
		owner = of_node(rb_first(&agent->owned));
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

/* One page of what an agent owns. Of a killed one that is nothing. */
void am_owned(const struct am_agent *agent, struct agentmem_owned *out)
{
	const struct am_owner *owner;

	memset(out->id, 0, sizeof(out->id));
	out->count = 0;
	out->last = out->after;
	spin_lock(&am_lock);
	owner = am_owner_above(agent, out->after);
	for (; owner && out->count < AGENTMEM_OWNED_IDS; owner = am_owner_next(owner)) {
		memcpy(out->id[out->count++], owner->unit->id, AM_ID);
		out->last = owner->unit->number;
	}
	spin_unlock(&am_lock);
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
