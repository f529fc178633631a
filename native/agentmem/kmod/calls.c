// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of agentmem_ioctl.h: every field is checked here, and nothing below looks at user space
 * again except for the bytes of a unit. Knows nothing of how a request comes and an answer goes.
 */
#include "inside.h"
#include "trace.h"

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#define REFUSE(ask, field, why) am_refuse(&(ask)->head, offsetof(typeof(*(ask)), field), why)

static struct am_agent *agent_of(struct am_client *client)
{
	/* Pairs with attach: who sees the agent sees all of it. */
	return smp_load_acquire(&client->agent);
}

static void count(struct am_realm *realm, u64 publishes, u64 found, u64 acquires)
{
	spin_lock(&am_lock);
	realm->counts.publishes += publishes;
	realm->counts.found += found;
	realm->counts.acquires += acquires;
	spin_unlock(&am_lock);
}

static int info(struct am_client *client, void *request)
{
	struct agentmem_info *ask = request;

	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	ask->epoch = am_epoch;
	ask->largest_unit = AGENTMEM_LARGEST_UNIT;
	ask->total_bytes = READ_ONCE(am_total_bytes);
	ask->agent_bytes = READ_ONCE(am_agent_bytes);
	ask->agent_units = READ_ONCE(am_agent_units);
	ask->references = am_references_most;
	ask->page_bytes = PAGE_SIZE;
	return AM_OK;
}

static int attach(struct am_client *client, void *request)
{
	struct agentmem_attach *ask = request;
	struct am_agent *agent = NULL;
	int status;

	if (!am_name_is_good(ask->realm))
		return REFUSE(ask, realm, AM_EINVAL);
	if (!am_name_is_good(ask->agent))
		return REFUSE(ask, agent, AM_EINVAL);
	if (ask->importance > 100)
		return REFUSE(ask, importance, AM_EINVAL);
	if (ask->flags)
		return REFUSE(ask, flags, AM_EINVAL);
	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	mutex_lock(&client->attaching);
	status = client->agent ? AM_EBUSY : AM_OK;
	if (!status)
		agent = am_agent_join(client, ask, &status);
	if (agent)
		smp_store_release(&client->agent, agent); /* pairs with agent_of */
	mutex_unlock(&client->attaching);
	if (status == AM_EINVAL)
		return REFUSE(ask, pid, status);
	if (status)
		return status;
	ask->number = agent->number;
	ask->space = agent->number;
	ask->epoch = am_epoch;
	return AM_OK;
}

#define SPACES (AGENTMEM_PRIVATE | AGENTMEM_SHARED)
#define FLAGS (SPACES | AGENTMEM_NO_REFERENCE | AGENTMEM_DROPPABLE)

static int check_publish(struct agentmem_publish *ask)
{
	if (ask->type < AM_CONVERSATION || ask->type >= AM_TYPES)
		return REFUSE(ask, type, AM_ETYPE);
	if (ask->form != AM_RAW)
		return REFUSE(ask, form, AM_ETYPE);
	if (ask->flags & ~FLAGS || (ask->flags & SPACES) == SPACES)
		return REFUSE(ask, flags, AM_EINVAL);
	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	if (!ask->length || ask->length > AGENTMEM_LARGEST_UNIT)
		return REFUSE(ask, length, AM_ESIZE);
	if (!access_ok(u64_to_user_ptr(ask->data), ask->length))
		return REFUSE(ask, data, AM_EINVAL);
	return AM_OK;
}

static int publish(struct am_client *client, void *request)
{
	struct agentmem_publish *ask = request;
	struct am_agent *agent = agent_of(client);
	struct am_unit *fresh, *unit;
	int status = check_publish(ask);
	bool existed;

	status = status ?: am_agent_used(agent);
	if (status)
		return status;
	if (!am_quota_left(agent, ask->length))
		return REFUSE(ask, length, AM_EQUOTA);
	fresh = am_unit_new(agent, ask, &status);
	if (!fresh)
		return status == AM_EINVAL ? REFUSE(ask, data, status) : status;
	unit = am_table_find(fresh->id, agent);
	if (!unit)
		unit = am_table_insert(fresh);
	if (IS_ERR(unit)) {
		am_unit_free(fresh);
		return AM_ENOMEM;
	}
	existed = unit != fresh;
	if (existed)
		am_unit_free(fresh);
	status = am_own(agent, unit, ask->flags & AGENTMEM_DROPPABLE);
	if (!status)
		status = am_client_place(client, unit, existed,
					 !(ask->flags & AGENTMEM_NO_REFERENCE), &ask->placed);
	if (!status) {
		count(unit->realm, 1, existed, 0);
		trace_agentmem_publish(unit->realm->name, unit->number, unit->type, unit->length,
				       existed);
	}
	am_unit_put(unit);
	return status;
}

static int identify(struct am_client *client, void *request)
{
	struct agentmem_identify *ask = request;
	struct am_agent *agent = agent_of(client);
	bool own_space = ask->flags & AGENTMEM_PRIVATE ||
			 (ask->type == AM_CONVERSATION && !(ask->flags & AGENTMEM_SHARED));
	int status;

	if (ask->type < AM_CONVERSATION || ask->type >= AM_TYPES)
		return REFUSE(ask, type, AM_ETYPE);
	if (ask->flags & ~SPACES || (ask->flags & SPACES) == SPACES)
		return REFUSE(ask, flags, AM_EINVAL);
	if (!ask->length || ask->length > AGENTMEM_LARGEST_UNIT)
		return REFUSE(ask, length, AM_ESIZE);
	status = am_hash_user(own_space ? agent->key : agent->realm->key, ask->type, ask->data,
			      ask->length, ask->id);
	return status == AM_EINVAL ? REFUSE(ask, data, status) : status;
}

static int acquire(struct am_client *client, void *request)
{
	struct agentmem_acquire *ask = request;
	struct am_agent *agent = agent_of(client);
	int status = am_agent_used(agent);
	struct am_unit *unit;

	if (status)
		return status;
	unit = am_table_find(ask->id, agent);
	if (!unit)
		return REFUSE(ask, id, AM_ENOTFOUND);
	status = am_client_place(client, unit, true, true, &ask->placed);
	if (!status) {
		count(unit->realm, 0, 0, 1);
		trace_agentmem_acquire(unit->realm->name, unit->number, unit->type, unit->length);
	}
	am_unit_put(unit);
	return status;
}

static int release(struct am_client *client, void *request)
{
	struct agentmem_release *ask = request;
	int status;

	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	status = am_client_release(client, ask->reference);
	return status ? REFUSE(ask, reference, status) : AM_OK;
}

static int own(struct am_client *client, void *request)
{
	struct agentmem_unit *ask = request;
	struct am_agent *agent = agent_of(client);
	struct am_unit *unit;
	int status;

	if (ask->importance)
		return REFUSE(ask, importance, AM_EINVAL);
	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	status = am_agent_used(agent);
	if (status)
		return status;
	unit = am_table_find(ask->id, agent);
	if (!unit)
		return REFUSE(ask, id, AM_ENOTFOUND);
	status = am_own(agent, unit, false);
	am_unit_put(unit);
	return status;
}

static int disown(struct am_client *client, void *request)
{
	struct agentmem_unit *ask = request;
	int status;

	if (ask->importance)
		return REFUSE(ask, importance, AM_EINVAL);
	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	status = am_disown(agent_of(client), ask->id);
	return status ? REFUSE(ask, id, status) : AM_OK;
}

static int mark(struct am_client *client, void *request)
{
	struct agentmem_unit *ask = request;
	struct am_unit *unit;
	bool shelved;

	if (ask->importance > 100)
		return REFUSE(ask, importance, AM_EINVAL);
	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	unit = am_table_find(ask->id, agent_of(client));
	if (!unit)
		return REFUSE(ask, id, AM_ENOTFOUND);
	spin_lock(&am_lock);
	shelved = !list_empty(&unit->shelf);
	am_unshelve(unit);
	unit->importance = ask->importance;
	if (shelved)
		am_shelve(unit);
	spin_unlock(&am_lock);
	am_unit_put(unit);
	return AM_OK;
}

static int owned(struct am_client *client, void *request)
{
	struct agentmem_owned *ask = request;

	if (ask->spare)
		return REFUSE(ask, spare, AM_EINVAL);
	am_owned(agent_of(client), ask);
	return AM_OK;
}

/* The agent that is named, counted: the client's own for an empty name. */
static int named(struct am_client *client, struct agentmem_state *ask, struct am_agent **agent)
{
	struct am_agent *own_agent = agent_of(client);

	if (ask->agent[0] && !am_name_is_good(ask->agent))
		return REFUSE(ask, agent, AM_EINVAL);
	if (ask->agent[0]) {
		*agent = am_agent_find(own_agent->realm, ask->agent);
	} else {
		kref_get(&own_agent->refs);
		*agent = own_agent;
	}
	return *agent ? AM_OK : REFUSE(ask, agent, AM_ENOTFOUND);
}

static int state(struct am_client *client, void *request)
{
	struct agentmem_state *ask = request;
	struct am_agent *agent;
	int status;

	if (ask->state != AGENTMEM_LEAVE && (ask->state < AM_ACTIVE || ask->state > AM_KILLED))
		return REFUSE(ask, state, AM_EINVAL);
	if (ask->importance != AGENTMEM_LEAVE && ask->importance > 100)
		return REFUSE(ask, importance, AM_EINVAL);
	status = named(client, ask, &agent);
	if (status)
		return status;
	if (ask->state != AGENTMEM_LEAVE && ask->state != AM_KILLED &&
	    READ_ONCE(agent->state) == AM_KILLED)
		status = AM_EACCESS;
	else
		am_agent_state(agent, ask->state, ask->importance);
	am_agent_put(agent);
	return status;
}

static int forget(struct am_client *client, void *request)
{
	struct agentmem_state *ask = request;
	struct am_agent *agent;
	int status;

	if (ask->state)
		return REFUSE(ask, state, AM_EINVAL);
	if (ask->importance != AGENTMEM_LEAVE)
		return REFUSE(ask, importance, AM_EINVAL);
	status = named(client, ask, &agent);
	if (status)
		return status;
	am_disown_all(agent);
	am_agent_put(agent);
	return AM_OK;
}

/* Who is not asks for its own and does nothing wrong: that is no line in the audit log. */
static bool sees_all(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

static int stats(struct am_client *client, void *request)
{
	am_figures(client->user, sees_all(), request);
	return AM_OK;
}

static int agent(struct am_client *client, void *request)
{
	struct agentmem_agent *ask = request;
	int status = am_figures_agent(client->user, sees_all(), ask);

	return status ? REFUSE(ask, after, status) : AM_OK;
}

/*
 * 32 bit programs, whose numbers of 64 bits are aligned to 4 bytes, have the same structs: each is
 * as long as its fields together.
 */
static_assert(sizeof(struct agentmem_info) == 64 && sizeof(struct agentmem_attach) == 560);
static_assert(sizeof(struct agentmem_placed) == 64 && sizeof(struct agentmem_publish) == 112);
static_assert(sizeof(struct agentmem_identify) == 72 && sizeof(struct agentmem_acquire) == 112);
static_assert(sizeof(struct agentmem_release) == 24 && sizeof(struct agentmem_unit) == 56);
static_assert(sizeof(struct agentmem_state) == 280 && sizeof(struct agentmem_stats) == 480);
static_assert(sizeof(struct agentmem_agent) == 904 && sizeof(struct agentmem_owned) == 2088);

const struct am_call am_calls[] = {
#define CALL(number, answer, type, attached) [_IOC_NR(number)] = { answer, sizeof(type), attached }
	CALL(AGENTMEM_INFO, info, struct agentmem_info, false),
	CALL(AGENTMEM_ATTACH, attach, struct agentmem_attach, false),
	CALL(AGENTMEM_PUBLISH, publish, struct agentmem_publish, true),
	CALL(AGENTMEM_IDENTIFY, identify, struct agentmem_identify, true),
	CALL(AGENTMEM_ACQUIRE, acquire, struct agentmem_acquire, true),
	CALL(AGENTMEM_RELEASE, release, struct agentmem_release, true),
	CALL(AGENTMEM_OWN, own, struct agentmem_unit, true),
	CALL(AGENTMEM_DISOWN, disown, struct agentmem_unit, true),
	CALL(AGENTMEM_MARK, mark, struct agentmem_unit, true),
	CALL(AGENTMEM_STATE, state, struct agentmem_state, true),
	CALL(AGENTMEM_FORGET, forget, struct agentmem_state, true),
	CALL(AGENTMEM_STATS, stats, struct agentmem_stats, false),
	CALL(AGENTMEM_AGENT, agent, struct agentmem_agent, false),
	CALL(AGENTMEM_OWNED, owned, struct agentmem_owned, true),
#undef CALL
};
const unsigned int am_calls_count = ARRAY_SIZE(am_calls);
