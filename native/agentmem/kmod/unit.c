// SPDX-License-Identifier: GPL-2.0
/*
 * Units: their bytes, their pins, their way from user space into pages that nobody writes again.
 * Knows nothing of owners. While a unit is pinned its pages stay where and as they are.
 */
#include "inside.h"
#include "trace.h"

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define STEP (1u << 20)

static atomic64_t stored;

u64 am_stored(void)
{
	return atomic64_read(&stored);
}

u64 am_hot_bytes(const struct am_unit *unit)
{
	return PAGE_ALIGN(unit->length);
}

bool am_is_text(const struct am_unit *unit)
{
	return unit->type != AM_KV_PAGE;
}

static bool take(u64 bytes)
{
	const u64 most = READ_ONCE(am_total_bytes);
	u64 now = atomic64_add_return(bytes, &stored);

	if (!most || now <= most)
		return true;
	atomic64_sub(bytes, &stored);
	return false;
}

/* Room below the limit of all, made by compressing and dropping if there is none. */
int am_reserve(u64 bytes)
{
	const u64 most = READ_ONCE(am_total_bytes);

	if (take(bytes))
		return AM_OK;
	if (most && bytes > most)
		return AM_EQUOTA;
	am_give_back(bytes >> PAGE_SHIFT, false);
	return take(bytes) ? AM_OK : AM_EQUOTA;
}

void am_unreserve(u64 bytes)
{
	atomic64_sub(bytes, &stored);
}

/* What was compressed takes less; above the limit for a moment is better than failing. */
void am_stored_became(u64 before, u64 after)
{
	atomic64_sub(before - after, &stored);
}

/* Bytes of user space into new pages: read once, so what is hashed is what is kept. */
static int copy_in(struct am_unit *unit, u64 address)
{
	u64 at, step;

	for (at = 0; at < unit->length; at += step) {
		step = min_t(u64, unit->length - at, STEP);
		if (fatal_signal_pending(current))
			return AM_INTERRUPTED;
		if (copy_from_user(unit->hot + at, u64_to_user_ptr(address + at), step))
			return AM_EINVAL;
		cond_resched();
	}
	return AM_OK;
}

struct am_unit *am_unit_new(struct am_agent *agent, const struct agentmem_publish *ask,
			    int *status)
{
	bool own_space = ask->flags & AGENTMEM_PRIVATE ||
			 (ask->type == AM_CONVERSATION && !(ask->flags & AGENTMEM_SHARED));
	struct am_unit *unit = kzalloc(sizeof(*unit), GFP_KERNEL_ACCOUNT);

	*status = AM_ENOMEM;
	if (!unit)
		return NULL;
	kref_init(&unit->refs);
	unit->holders = 1;
	mutex_init(&unit->restoring);
	INIT_LIST_HEAD(&unit->shelf);
	INIT_LIST_HEAD(&unit->owners);
	unit->length = ask->length;
	unit->type = ask->type;
	unit->space = own_space ? agent->number : 0;
	unit->importance = READ_ONCE(agent->importance);
	unit->droppable = ask->flags & AGENTMEM_DROPPABLE;
	unit->used_ms = am_now_ms();
	*status = am_reserve(am_hot_bytes(unit));
	if (*status)
		goto no_room;
	unit->hot = __vmalloc(am_hot_bytes(unit), GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
						  __GFP_RETRY_MAYFAIL);
	if (!unit->hot)
		*status = AM_ENOMEM;
	else
		*status = copy_in(unit, ask->data);
	if (!*status)
		*status = am_hash(own_space ? agent->key : agent->realm->key, unit->type, unit->hot,
				  unit->length, unit->id);
	if (*status)
		goto no_bytes;
	unit->realm = agent->realm;
	kref_get(&unit->realm->refs);
	return unit;

no_bytes:
	vfree(unit->hot);
	am_unreserve(am_hot_bytes(unit));
no_room:
	mutex_destroy(&unit->restoring);
	kfree(unit);
	return NULL;
}

/* One that is in no table (any more). Readers under RCU may still look at its id. */
void am_unit_free(struct am_unit *unit)
{
	struct am_realm *realm = unit->realm;

	if (unit->hot)
		am_unreserve(am_hot_bytes(unit));
	if (unit->packed)
		am_unreserve(am_packed_bytes(unit->packed));
	vfree(unit->hot);
	am_packed_free(unit->packed);
	mutex_destroy(&unit->restoring);
	kfree_rcu(unit, rcu);
	am_realm_put(realm);
}

/* Of a unit that is pinned already: by a mapping that is split. */
void am_unit_pin_again(struct am_unit *unit)
{
	spin_lock(&am_lock);
	am_unshelve(unit);
	unit->pins++;
	spin_unlock(&am_lock);
}

void am_unit_unpin(struct am_unit *unit)
{
	spin_lock(&am_lock);
	unit->used_ms = am_now_ms();
	if (!--unit->pins)
		am_shelve(unit);
	spin_unlock(&am_lock);
}

static int restore(struct am_unit *unit)
{
	struct am_packed *packed = unit->packed;
	u64 bytes = am_hot_bytes(unit);
	void *hot;
	int status = am_reserve(bytes);

	if (status)
		return AM_ENOMEM;
	hot = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
	status = hot ? am_unpack(packed, hot, unit->length) : AM_ENOMEM;
	if (status) {
		vfree(hot);
		am_unreserve(bytes);
		spin_lock(&am_lock);
		unit->realm->counts.broken += status == AM_ECORRUPT;
		spin_unlock(&am_lock);
		return status;
	}
	spin_lock(&am_lock);
	am_tally(unit, -1);
	unit->hot = hot;
	unit->packed = NULL;
	am_tally(unit, 1);
	unit->realm->counts.restores++;
	spin_unlock(&am_lock);
	trace_agentmem_restore(unit->realm->name, unit->number, unit->type, unit->length);
	am_unreserve(am_packed_bytes(packed));
	am_packed_free(packed);
	return AM_OK;
}

/*
 * The bytes are hot and stay so until am_unit_unpin. The caller holds it. May sleep, for as long as
 * another one restores a large unit: AM_INTERRUPTED when the process is to die meanwhile.
 */
int am_unit_pin(struct am_unit *unit)
{
	int status = AM_OK;
	bool hot;

	spin_lock(&am_lock);
	am_unshelve(unit);
	unit->pins++;
	hot = unit->hot;
	spin_unlock(&am_lock);
	if (hot)
		return AM_OK;
	if (mutex_lock_killable(&unit->restoring)) {
		status = AM_INTERRUPTED;
	} else {
		if (!unit->hot)
			status = restore(unit);
		mutex_unlock(&unit->restoring);
	}
	if (status)
		am_unit_unpin(unit);
	return status;
}
