// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/agent_stats: the text that nexus-agentmemd --stats prints, in the same order; what there
 * is not here (a disk) is 0. Knows nothing of how it is counted. A reader sees its own user's
 * agents and units, all of them with CAP_SYS_ADMIN; pids are those of the namespace of this /proc.
 * The lock is held while one buffer is filled, not for the whole text. The file's position is the
 * number of the agent last shown: who comes or goes between two buffers moves nobody else.
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

/* What one reader may see, since it opened the file; the figures since it read the beginning. */
struct reader {
	bool all;
	struct agentmem_stats is;
};

/* Agents are listed by rising number. */
static struct am_agent *agent_from(struct seq_file *to, struct am_agent *agent, loff_t above)
{
	const struct reader *reader = to->private;

	list_for_each_entry_from(agent, &am_agents, node)
		if (agent->number > above &&
		    am_may_see(agent->realm->user, to->file->f_cred->euid, reader->all))
			return agent;
	return NULL;
}

static void *start(struct seq_file *to, loff_t *at) __acquires(&am_lock)
{
	struct reader *reader = to->private;

	if (!*at) {
		reader->all = file_ns_capable(to->file, &init_user_ns, CAP_SYS_ADMIN);
		am_figures(to->file->f_cred->euid, reader->all, &reader->is);
	}
	spin_lock(&am_lock);
	if (!*at)
		return SEQ_START_TOKEN;
	return agent_from(to, list_first_entry(&am_agents, struct am_agent, node), *at - 1);
}

/* The position of an agent is its number: start() finds it or, when it has gone, the next one. */
static void *next(struct seq_file *to, void *of, loff_t *at)
{
	struct am_agent *agent = of;

	if (of == SEQ_START_TOKEN)
		agent = agent_from(to, list_first_entry(&am_agents, struct am_agent, node), 0);
	else
		agent = agent_from(to, list_next_entry(agent, node), 0);
	*at = agent ? agent->number : (loff_t)U32_MAX + 1;
	return agent;
}

static void stop(struct seq_file *to, void *of) __releases(&am_lock)
{
	spin_unlock(&am_lock);
}

static int show(struct seq_file *to, void *of)
{
	struct pid_namespace *space = proc_pid_ns(file_inode(to->file)->i_sb);
	const struct reader *reader = to->private;
	const struct am_agent *agent = of;

	if (of == SEQ_START_TOKEN) {
		totals(to, &reader->is);
		seq_printf(to, "\n%7s %-7s %10s %9s %14s %14s %14s  %s\n", "PID", "STATE",
			   "IMPORTANCE", "UNITS", "LOGICAL", "SHARED", "PRIVATE", "REALM/AGENT");
		return 0;
	}
	seq_printf(to, "%7d %-7s %10u %9llu %14llu %14llu %14llu  %s/%s\n",
		   am_agent_pid(agent, space), states[agent->state], agent->importance,
		   agent->units, agent->logical, agent->logical - agent->own, agent->own,
		   agent->realm->name, agent->name);
	return 0;
}

static const struct seq_operations operations = {
	.start = start, .next = next, .stop = stop, .show = show,
};

int am_proc_start(void)
{
	return proc_create_seq_private(NAME, 0444, NULL, &operations, sizeof(struct reader), NULL) ?
	       0 : -ENOMEM;
}

void am_proc_stop(void)
{
	remove_proc_entry(NAME, NULL);
}
