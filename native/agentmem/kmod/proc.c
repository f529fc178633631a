// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/agent_stats: the text that nexus-agentmemd --stats prints, in the same order; what there
 * is not here (a disk) is 0. Knows nothing of how it is counted. A reader sees its own user's
 * agents and units, all of them with CAP_SYS_ADMIN; pids are those of the namespace of this /proc.
 */
#include "inside.h"

#include <linux/cred.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#define NAME "agent_stats"

static const char *const states[] = { "none", "active", "idle", "paused", "killed" };

static void totals(struct seq_file *to, const struct agentmem_stats *is)
{
	u64 logical = 0, unique = 0, kept = 0, ratio;
	int i;

	for (i = AM_CONVERSATION; i < AM_TYPES; i++) {
		logical += is->type[i].logical_bytes;
		unique += is->type[i].unique_bytes;
		kept += is->type[i].stored_bytes;
	}
	const struct { const char *key; u64 value; } figures[] = {
		{ "Agents", is->agents }, { "Realms", is->realms }, { "Units", is->units },
		{ "LogicalBytes", logical }, { "UniqueBytes", unique }, { "StoredBytes", kept },
		{ "HotBytes", is->tier[AM_HOT].stored_bytes },
		{ "WarmBytes", is->tier[AM_WARM].stored_bytes }, { "ColdBytes", 0 },
		{ "Publishes", is->publishes }, { "Found", is->found },
		{ "Acquires", is->acquires }, { "RestoresWarm", is->restores_warm },
		{ "RestoresCold", 0 }, { "Broken", is->broken }, { "Dropped", is->dropped },
		{ "Shrinks", is->shrinker_runs },
	};

	for (i = 0; i < ARRAY_SIZE(figures); i++)
		seq_printf(to, "%-14s %llu\n", figures[i].key, figures[i].value);
	ratio = kept ? div64_u64(logical * 100 + kept / 2, kept) : 100;
	seq_printf(to, "%-14s %llu.%02u\n", "Ratio", div_u64(ratio, 100),
		   (unsigned int)(ratio - div_u64(ratio, 100) * 100));
}

static int show(struct seq_file *to, void *unused)
{
	const kuid_t viewer = to->file->f_cred->euid;
	const bool all = file_ns_capable(to->file, &init_user_ns, CAP_SYS_ADMIN);
	struct agentmem_stats *is = kzalloc(sizeof(*is), GFP_KERNEL);
	struct pid_namespace *space = proc_pid_ns(file_inode(to->file)->i_sb);
	const struct am_agent *agent;

	if (!is)
		return -ENOMEM;
	am_figures(viewer, all, is);
	totals(to, is);
	kfree(is);
	seq_printf(to, "\n%7s %-7s %10s %9s %14s %14s %14s  %s\n", "PID", "STATE", "IMPORTANCE",
		   "UNITS", "LOGICAL", "SHARED", "PRIVATE", "REALM/AGENT");
	spin_lock(&am_lock);
	list_for_each_entry(agent, &am_agents, node)
		if (am_may_see(agent->realm->user, viewer, all))
			seq_printf(to, "%7d %-7s %10u %9llu %14llu %14llu %14llu  %s/%s\n",
				   am_agent_pid(agent, space), states[agent->state], agent->importance,
				   agent->units, agent->logical, agent->logical - agent->own,
				   agent->own, agent->realm->name, agent->name);
	spin_unlock(&am_lock);
	return 0;
}

int am_proc_start(void)
{
	return proc_create_single(NAME, 0444, NULL, show) ? 0 : -ENOMEM;
}

void am_proc_stop(void)
{
	remove_proc_entry(NAME, NULL);
}
