// SPDX-License-Identifier: GPL-2.0
/*
 * Loading, unloading, limits. Knows nothing of what the parts do, only the order in which they
 * start; they stop in the reverse order, after the last file was closed. The kernel takes modules
 * that use its internal interfaces under GPL-2.0 only, so the whole of this folder has that
 * licence.
 */
#include "inside.h"

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>

DEFINE_SPINLOCK(am_lock);
u64 am_epoch;

unsigned long am_total_bytes, am_agent_bytes;
unsigned int am_agent_units = 65536, am_agents_most = 4096, am_references_most = 65536;
unsigned int am_idle_after_ms = 300000;

module_param_named(total_bytes, am_total_bytes, ulong, 0644);
MODULE_PARM_DESC(total_bytes, "stored bytes of all users (0 when loaded: a quarter of the memory)");
module_param_named(agent_bytes, am_agent_bytes, ulong, 0644);
MODULE_PARM_DESC(agent_bytes, "bytes that one agent may own (0: no limit)");
module_param_named(agent_units, am_agent_units, uint, 0644);
MODULE_PARM_DESC(agent_units, "units that one agent may own (0: no limit)");
module_param_named(agents, am_agents_most, uint, 0644);
MODULE_PARM_DESC(agents, "agents at a time (0: no limit)");
module_param_named(references, am_references_most, uint, 0444);
MODULE_PARM_DESC(references, "references that one open file may hold");
module_param_named(idle_after_ms, am_idle_after_ms, uint, 0644);
MODULE_PARM_DESC(idle_after_ms, "an agent unused so long is idle (0: never)");

static const struct {
	int (*start)(void);
	void (*stop)(void);
} parts[] = {
	{ am_pack_start, am_pack_stop },   { am_table_start, am_table_stop },
	{ am_watch_start, am_watch_stop }, { am_shrink_start, am_shrink_stop },
	{ am_proc_start, am_proc_stop },   { am_device_start, am_device_stop },
};

static void stop(unsigned int started)
{
	while (started--)
		parts[started].stop();
	rcu_barrier();
}

static int __init start(void)
{
	unsigned int i;
	int error;

	am_epoch = ktime_get_real_ns();
	if (!am_total_bytes)
		am_total_bytes = totalram_pages() / 4 * PAGE_SIZE;
	am_references_most = clamp(am_references_most, 1u, (u32)INT_MAX);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		error = parts[i].start();
		if (error) {
			stop(i);
			return error;
		}
	}
	return 0;
}

static void __exit end(void)
{
	stop(ARRAY_SIZE(parts));
	WARN_ON(!list_empty(&am_agents) || !list_empty(&am_realms) || am_stored());
}

module_init(start);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("NexusOS");
MODULE_DESCRIPTION("Agent memory: one copy of what many agents hold");
