// SPDX-License-Identifier: GPL-2.0
/*
 * Realms: one user's domain of trust under a name. Nothing is shared between two of them, because
 * each has its own random key for ids and a unit is only found through its own realm. Knows nothing
 * of bytes. A realm lives as long as an agent or a unit is in it; a unit lives by an agent that owns
 * it, or by a client or its mapping, which keep theirs: there are no more realms than agents.
 */
#include "inside.h"

#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/slab.h>

LIST_HEAD(am_realms);
struct am_counts am_gone;

u64 am_now_ms(void)
{
	return div_u64(ktime_get_boottime_ns(), NSEC_PER_MSEC);
}

/* Ended by a zero, not empty, nothing that moves a terminal's cursor. */
bool am_name_is_good(const char *name)
{
	size_t length = strnlen(name, AGENTMEM_NAME_BYTES), i;

	if (!length || length == AGENTMEM_NAME_BYTES)
		return false;
	for (i = 0; i < length; i++)
		if ((u8)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

struct am_realm *am_realm_new(kuid_t user, const char *name)
{
	struct am_realm *realm = kzalloc(sizeof(*realm), GFP_KERNEL_ACCOUNT);

	if (!realm)
		return NULL;
	kref_init(&realm->refs);
	INIT_LIST_HEAD(&realm->node);
	realm->user = user;
	get_random_bytes(realm->key, sizeof(realm->key));
	strscpy(realm->name, name, sizeof(realm->name));
	return realm;
}

/* Under am_lock: the realm that is there, counted; or the spare one, now in the list. */
struct am_realm *am_realm_get(kuid_t user, const char *name, struct am_realm *spare)
{
	struct am_realm *realm;

	lockdep_assert_held(&am_lock);
	list_for_each_entry(realm, &am_realms, node)
		if (uid_eq(realm->user, user) && !strcmp(realm->name, name)) {
			kref_get(&realm->refs);
			return realm;
		}
	list_add_tail(&spare->node, &am_realms);
	return spare;
}

static void release(struct kref *refs) __releases(&am_lock)
{
	struct am_realm *realm = container_of(refs, struct am_realm, refs);

	list_del(&realm->node);
	am_counts_add(&am_gone, &realm->counts);
	spin_unlock(&am_lock);
	kfree_sensitive(realm);
}

void am_realm_put(struct am_realm *realm)
{
	kref_put_lock(&realm->refs, release, &am_lock);
}
