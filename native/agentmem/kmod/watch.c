// SPDX-License-Identifier: GPL-2.0
/*
 * Once a second while there is an agent: agents whose process ended are killed, unused ones become
 * idle, what idle agents left is compressed. Knows nothing of memory pressure. Sleeps for ever
 * without agents.
 */
#include "inside.h"

#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

struct workqueue_struct *am_queue;
static void turn(struct work_struct *work);
static DECLARE_DELAYED_WORK(work, turn);

static bool process_ended(struct pid *pid)
{
	struct task_struct *task;
	bool ended;

	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	/* Whoever has ended stays so: what the lock of tasks would tell now, the next turn tells. */
	ended = !task || data_race(READ_ONCE(task->exit_state) && thread_group_empty(task));
	rcu_read_unlock();
	return ended;
}

/* One whose process ended and that nobody has told yet, counted. */
static struct am_agent *look(void)
{
	struct am_agent *agent, *dead = NULL;
	const unsigned int idle_after = READ_ONCE(am_idle_after_ms);
	u64 now = am_now_ms();

	spin_lock(&am_lock);
	list_for_each_entry(agent, &am_agents, node) {
		if (agent->state == AM_KILLED)
			continue;
		if (agent->state == AM_ACTIVE && idle_after &&
		    now - min(now, agent->used_ms) >= idle_after)
			WRITE_ONCE(agent->state, AM_IDLE);
		if (!dead && process_ended(agent->pid)) {
			dead = agent;
			kref_get(&dead->refs);
		}
	}
	spin_unlock(&am_lock);
	return dead;
}

/* Nobody waits here for a compressor that is at work: there is another turn in a second. */
static void cool_idle(void)
{
	struct am_unit *chosen[AM_CHOICE];
	unsigned int n, i, turns = 16;
	long gave;

	do {
		gave = 0;
		n = am_choose(false, true, chosen);
		for (i = 0; i < n; i++) {
			long pages = 0;

			if (mutex_trylock(&am_packer)) {
				pages = am_cool(chosen[i],
						GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
				mutex_unlock(&am_packer);
			}
			am_unit_unwatch(chosen[i]);
			gave += max(pages, 0l);
			cond_resched();
		}
	} while (gave && --turns);
}

static void turn(struct work_struct *unused)
{
	struct am_agent *agent;

	while ((agent = look())) {
		am_agent_state(agent, AM_KILLED, AGENTMEM_LEAVE);
		am_agent_put(agent);
	}
	cool_idle();
	if (READ_ONCE(am_agent_count))
		am_watch_arm();
}

void am_watch_arm(void)
{
	queue_delayed_work(am_queue, &work, HZ);
}

int am_watch_start(void)
{
	am_queue = alloc_workqueue("agentmem", WQ_UNBOUND | WQ_FREEZABLE, 1);
	return am_queue ? 0 : -ENOMEM;
}

void am_watch_stop(void)
{
	cancel_delayed_work_sync(&work);
	destroy_workqueue(am_queue);
}
