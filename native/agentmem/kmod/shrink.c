// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel asks for memory: the shrinker. Knows only that choose.c counts and cool.c gives back.
 * It runs inside whoever needs memory, so it waits for nothing and allocates only what lies ready.
 */
#include "inside.h"
#include "trace.h"

#include <linux/shrinker.h>

u64 am_shrinks;

static unsigned long count(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long pages = am_shelved_pages();

	return pages ? pages : SHRINK_EMPTY;
}

static unsigned long scan(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long gave;

	spin_lock(&am_lock);
	am_shrinks++;
	spin_unlock(&am_lock);
	gave = am_give_back(control->nr_to_scan, true);
	trace_agentmem_shrink(control->nr_to_scan, gave);
	return gave ? gave : SHRINK_STOP;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static struct shrinker *ours;

int am_shrink_start(void)
{
	ours = shrinker_alloc(0, "agentmem");
	if (!ours)
		return -ENOMEM;
	ours->count_objects = count;
	ours->scan_objects = scan;
	shrinker_register(ours);
	return 0;
}

void am_shrink_stop(void)
{
	shrinker_free(ours);
}
#else
static struct shrinker ours = {
	.count_objects = count,
	.scan_objects = scan,
	.seeks = DEFAULT_SEEKS,
};

int am_shrink_start(void)
{
	return register_shrinker(&ours, "agentmem");
}

void am_shrink_stop(void)
{
	unregister_shrinker(&ours);
}
#endif
