// SPDX-License-Identifier: GPL-2.0
/*
 * What is counted: per realm as units come, move and go; per agent as it owns. Knows nothing of how
 * it is shown. Who asks sees its own user's realms, or all of them with CAP_SYS_ADMIN.
 */
#include "inside.h"

#include <linux/mm.h>
#include <linux/pid_namespace.h>

static u64 stored_bytes(const struct am_unit *unit)
{
	return unit->hot ? am_hot_bytes(unit) : am_packed_bytes(unit->packed);
}

static void unit_in(struct am_figures *to, const struct am_unit *unit, int sign)
{
	struct agentmem_tier_figures *tier = &to->tier[unit->hot ? AM_HOT : AM_WARM];
	struct agentmem_type_figures *type = &to->type[unit->type];

	tier->units += sign;
	tier->raw_bytes += sign * unit->length;
	tier->stored_bytes += sign * stored_bytes(unit);
	type->units += sign;
	type->unique_bytes += sign * unit->length;
	type->stored_bytes += sign * stored_bytes(unit);
}

/*
 * A unit comes, goes, or is in another tier now: before it with -1, after it with 1. A private one
 * has at most one owner.
 */
void am_tally(struct am_unit *unit, int sign)
{
	const struct am_owner *owner;

	lockdep_assert_held(&am_lock);
	unit_in(&unit->realm->is, unit, sign);
	if (unit->space)
		list_for_each_entry(owner, &unit->owners, in_unit)
			unit_in(&owner->agent->is, unit, sign);
}

void am_tally_owner(struct am_unit *unit, struct am_agent *agent, int sign)
{
	lockdep_assert_held(&am_lock);
	unit->realm->is.type[unit->type].logical_bytes += sign * unit->length;
	agent->units += sign;
	agent->logical += sign * unit->length;
	agent->is.type[unit->type].logical_bytes += sign * unit->length;
	if (unit->space) {
		agent->own += sign * unit->length;
		unit_in(&agent->is, unit, sign);
	}
}

void am_counts_add(struct am_counts *to, const struct am_counts *of)
{
	to->publishes += of->publishes;
	to->found += of->found;
	to->acquires += of->acquires;
	to->restores += of->restores;
	to->evictions += of->evictions;
	to->freed += of->freed;
	to->dropped += of->dropped;
	to->broken += of->broken;
}

bool am_may_see(kuid_t user, kuid_t viewer, bool all)
{
	return all || uid_eq(user, viewer);
}

static void add(struct agentmem_stats *out, const struct am_realm *realm)
{
	int i;

	out->realms++;
	for (i = AM_HOT; i < AM_TIERS; i++) {
		out->tier[i].units += realm->is.tier[i].units;
		out->tier[i].raw_bytes += realm->is.tier[i].raw_bytes;
		out->tier[i].stored_bytes += realm->is.tier[i].stored_bytes;
		out->units += realm->is.tier[i].units;
	}
	for (i = AM_CONVERSATION; i < AM_TYPES; i++) {
		out->type[i].units += realm->is.type[i].units;
		out->type[i].logical_bytes += realm->is.type[i].logical_bytes;
		out->type[i].unique_bytes += realm->is.type[i].unique_bytes;
		out->type[i].stored_bytes += realm->is.type[i].stored_bytes;
	}
}

/* All but the head, which is the caller's. Counters of realms that are gone: only for all. */
void am_figures(kuid_t viewer, bool all, struct agentmem_stats *out)
{
	const struct agentmem_head head = out->head;
	const struct am_realm *realm;
	const struct am_agent *agent;
	struct am_counts counts = { 0 };

	memset(out, 0, sizeof(*out));
	out->head = head;
	spin_lock(&am_lock);
	if (all)
		counts = am_gone;
	list_for_each_entry(realm, &am_realms, node)
		if (am_may_see(realm->user, viewer, all)) {
			am_counts_add(&counts, &realm->counts);
			add(out, realm);
		}
	list_for_each_entry(agent, &am_agents, node)
		if (am_may_see(agent->realm->user, viewer, all)) {
			out->agents++;
			out->readers += agent->connections;
			out->references += atomic64_read(&agent->references);
		}
	out->shrinker_runs = am_shrinks;
	spin_unlock(&am_lock);
	out->epoch = am_epoch;
	out->publishes = counts.publishes;
	out->found = counts.found;
	out->acquires = counts.acquires;
	out->restores_warm = counts.restores;
	out->evictions_warm = counts.evictions;
	out->freed = counts.freed;
	out->dropped = counts.dropped;
	out->broken = counts.broken;
	out->total_bytes = READ_ONCE(am_total_bytes);
	out->agent_bytes = READ_ONCE(am_agent_bytes);
	out->agent_units = READ_ONCE(am_agent_units);
}

/*
 * The agent with the smallest number above out->after. Agents are listed by rising number. As AGENTS
 * of the broker: tiers of what it owns and is private, logical of all, the rest its own.
 */
int am_figures_agent(kuid_t viewer, bool all, struct agentmem_agent *out)
{
	const struct am_agent *agent;
	int status = AM_ENOTFOUND;

	spin_lock(&am_lock);
	list_for_each_entry(agent, &am_agents, node) {
		if (agent->number <= out->after ||
		    !am_may_see(agent->realm->user, viewer, all))
			continue;
		out->number = agent->number;
		strscpy(out->realm, agent->realm->name, sizeof(out->realm));
		strscpy(out->agent, agent->name, sizeof(out->agent));
		out->state = agent->state;
		out->importance = agent->importance;
		out->pid = am_agent_pid(agent, task_active_pid_ns(current));
		out->space = agent->number;
		out->connections = agent->connections;
		out->references = atomic64_read(&agent->references);
		out->units = agent->units;
		out->logical_bytes = agent->logical;
		out->private_bytes = agent->own;
		out->shared_bytes = agent->logical - agent->own;
		out->opened_ms = agent->opened_ms;
		out->used_ms = agent->used_ms;
		memcpy(out->tier, agent->is.tier, sizeof(out->tier));
		memcpy(out->type, agent->is.type, sizeof(out->type));
		status = AM_OK;
		break;
	}
	spin_unlock(&am_lock);
	return status;
}
