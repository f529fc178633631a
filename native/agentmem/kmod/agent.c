// SPDX-License-Identifier: GPL-2.0
/*
 * Agents: who they are, their state, when they end. Knows nothing of bytes. An agent is in the list
 * as long as a client is attached to it; it is killed when its process ends, whoever still has its
 * file open. KILLED is final. What an agent owned is disowned when it ends or is killed.
 */
#include "inside.h"
#include "trace.h"

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

LIST_HEAD(am_agents);
u32 am_agent_count, am_readers;
static u32 numbers; /* a number is a space too: none is given twice */

/* The process whose end ends the agent: the caller's, or another one of the same user. Counted. */
static struct pid *process(s32 number, kuid_t user)
{
	struct task_struct *task;
	struct pid *pid;
	bool own;

	if (number < 0)
		return NULL;
	if (!number)
		return get_pid(task_tgid(current));
	pid = find_get_pid(number);
	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	own = task && uid_eq(task_uid(task), user);
	rcu_read_unlock();
	if (own || (task && capable(CAP_SYS_PTRACE)))
		return pid;
	put_pid(pid);
	return NULL;
}

static struct am_agent *agent_new(struct pid *pid, const struct agentmem_attach *ask)
{
	struct am_agent *agent = kzalloc(sizeof(*agent), GFP_KERNEL_ACCOUNT);

	if (!agent)
		return NULL;
	kref_init(&agent->refs);
	INIT_LIST_HEAD(&agent->node);
	agent->owned = RB_ROOT;
	agent->pid = get_pid(pid);
	agent->state = AM_ACTIVE;
	agent->opened_ms = am_now_ms();
	get_random_bytes(agent->key, sizeof(agent->key));
	strscpy(agent->name, ask->agent, sizeof(agent->name));
	return agent;
}

static void agent_free(struct kref *refs)
{
	struct am_agent *agent = container_of(refs, struct am_agent, refs);

	put_pid(agent->pid);
	if (agent->realm)
		am_realm_put(agent->realm);
	kfree_sensitive(agent);
}

void am_agent_put(struct am_agent *agent)
{
	kref_put(&agent->refs, agent_free);
}

/* Under am_lock. */
static struct am_agent *find(const struct am_realm *realm, const char *name)
{
	struct am_agent *agent;

	list_for_each_entry(agent, &am_agents, node)
		if (agent->realm == realm && !strcmp(agent->name, name))
			return agent;
	return NULL;
}

/* Counted, or NULL. */
struct am_agent *am_agent_find(const struct am_realm *realm, const char *name)
{
	struct am_agent *agent;

	spin_lock(&am_lock);
	agent = find(realm, name);
	if (agent)
		kref_get(&agent->refs);
	spin_unlock(&am_lock);
	return agent;
}

/* One connection more of the agent that is there, or of a new one; both checked for their names. */
struct am_agent *am_agent_join(struct am_client *client, struct agentmem_attach *ask, int *status)
{
	struct am_realm *spare = am_realm_new(client->user, ask->realm), *realm = NULL;
	const unsigned int most = READ_ONCE(am_agents_most);
	struct pid *pid = process(ask->pid, client->user);
	struct am_agent *fresh = pid ? agent_new(pid, ask) : NULL, *agent = NULL;

	*status = !spare ? AM_ENOMEM : !pid ? AM_EINVAL : !fresh ? AM_ENOMEM : AM_OK;
	if (*status)
		goto out;
	spin_lock(&am_lock);
	realm = am_realm_get(client->user, ask->realm, spare);
	if (realm == spare)
		spare = NULL;
	agent = find(realm, ask->agent);
	if (agent && agent->state == AM_KILLED) {
		*status = AM_EACCESS;
		agent = NULL;
	} else if (!agent && (numbers == U32_MAX || (most && am_agent_count >= most))) {
		*status = AM_EBUSY;
	} else if (!agent) {
		agent = fresh;
		fresh = NULL;
		agent->number = ++numbers;
		agent->realm = realm;
		kref_get(&realm->refs);
		list_add_tail(&agent->node, &am_agents);
		WRITE_ONCE(am_agent_count, am_agent_count + 1);
	}
	if (agent) {
		kref_get(&agent->refs);
		agent->connections++;
		WRITE_ONCE(agent->importance, ask->importance);
		agent->used_ms = am_now_ms();
		am_readers++;
	}
	spin_unlock(&am_lock);
	if (realm)
		am_realm_put(realm);
	if (agent)
		am_watch_arm();
out:
	if (fresh)
		am_agent_put(fresh);
	kfree_sensitive(spare);
	put_pid(pid);
	return agent;
}

void am_agent_leave(struct am_agent *agent)
{
	bool last;

	spin_lock(&am_lock);
	am_readers--;
	last = !--agent->connections;
	if (last) {
		list_del_init(&agent->node);
		WRITE_ONCE(am_agent_count, am_agent_count - 1);
	}
	spin_unlock(&am_lock);
	if (last) {
		am_disown_all(agent);
		am_agent_put(agent);
	}
	am_agent_put(agent);
}

/* What the agent does by itself makes an idle one active again. AM_EACCESS: it was killed. */
int am_agent_used(struct am_agent *agent)
{
	int status = AM_OK;

	spin_lock(&am_lock);
	agent->used_ms = am_now_ms();
	if (agent->state == AM_IDLE)
		WRITE_ONCE(agent->state, AM_ACTIVE);
	else if (agent->state == AM_KILLED)
		status = AM_EACCESS;
	spin_unlock(&am_lock);
	return status;
}

/* Each may be AGENTMEM_LEAVE. */
void am_agent_state(struct am_agent *agent, u32 state, u32 importance)
{
	bool became;

	spin_lock(&am_lock);
	if (importance != AGENTMEM_LEAVE)
		WRITE_ONCE(agent->importance, importance);
	became = state != AGENTMEM_LEAVE && agent->state != AM_KILLED;
	if (became)
		WRITE_ONCE(agent->state, state);
	if (became && state == AM_ACTIVE)
		agent->used_ms = am_now_ms();
	spin_unlock(&am_lock);
	if (!became)
		return;
	trace_agentmem_state(agent->realm->name, agent->number, state);
	if (state == AM_KILLED)
		am_disown_all(agent);
	else if (state == AM_PAUSED)
		am_cool_agent(agent);
}

/* As a namespace numbers it; 0: not there. */
s32 am_agent_pid(const struct am_agent *agent, struct pid_namespace *space)
{
	return pid_nr_ns(agent->pid, space);
}
