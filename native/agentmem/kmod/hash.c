// SPDX-License-Identifier: GPL-2.0
/*
 * The id of a unit: BLAKE2s-256, keyed by the space it is in, over one byte of type and the bytes.
 * Knows nothing of units. Keys never leave the module; without the key an id says nothing about the
 * bytes, and nobody can make two contents of one id.
 */
#include "inside.h"

#include <crypto/blake2s.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define STEP (256u << 10)

static void begin(struct blake2s_state *state, const u8 *key, u8 type)
{
	blake2s_init_key(state, AM_ID, key, AM_ID);
	blake2s_update(state, &type, 1);
}

/* The state has the key in it: it does not stay on the stack. */
static int end(struct blake2s_state *state, int status, u8 *id)
{
	if (!status)
		blake2s_final(state, id);
	memzero_explicit(state, sizeof(*state));
	return status;
}

int am_hash(const u8 *key, u8 type, const void *bytes, u64 length, u8 *id)
{
	struct blake2s_state state;
	const u8 *at = bytes;
	int status = AM_OK;
	u64 step;

	begin(&state, key, type);
	for (; length && !status; length -= step, at += step) {
		step = min_t(u64, length, STEP);
		blake2s_update(&state, at, step);
		if (fatal_signal_pending(current))
			status = AM_INTERRUPTED;
		cond_resched();
	}
	return end(&state, status, id);
}

int am_hash_user(const u8 *key, u8 type, u64 address, u64 length, u8 *id)
{
	struct blake2s_state state;
	u64 step;
	u8 *room = kvmalloc(min_t(u64, length, STEP), GFP_KERNEL);
	int status = AM_OK;

	if (!room)
		return AM_ENOMEM;
	begin(&state, key, type);
	for (; length && !status; length -= step, address += step) {
		step = min_t(u64, length, STEP);
		if (fatal_signal_pending(current))
			status = AM_INTERRUPTED;
		else if (copy_from_user(room, u64_to_user_ptr(address), step))
			status = AM_EINVAL;
		else
			blake2s_update(&state, room, step);
		cond_resched();
	}
	kvfree(room);
	return end(&state, status, id);
}
