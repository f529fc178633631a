// SPDX-License-Identifier: GPL-2.0
/*
 * Packed bytes: zstd frames of 128 KiB, each with its checksum, in a chain of small pieces, so that
 * packing asks for no large block when memory is short. Knows nothing of units. Work space is taken
 * once, when the module is loaded.
 */
#include "inside.h"

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/zstd.h>

#define FRAME (128u << 10)
#define LEVEL 3

struct piece {
	struct piece *next;
	u32 used;
	u8 bytes[];
};
#define PIECE (PAGE_SIZE - sizeof(struct piece))

/* Frames follow each other as {u32 bytes, bytes}; a frame as long as its content is the content. */
struct am_packed {
	struct piece *first, *last;
	u64 bytes;              /* all that was allocated */
};

DEFINE_MUTEX(am_packer);
static DEFINE_MUTEX(am_unpacker);
static zstd_parameters with;
static void *pack_space, *pack_room, *unpack_space, *unpack_room;
static size_t pack_space_bytes, unpack_space_bytes, room_bytes;

static bool put(struct am_packed *packed, const void *from, size_t bytes, gfp_t gfp)
{
	while (bytes) {
		struct piece *last = packed->last;
		size_t step;

		if (!last || last->used == PIECE) {
			struct piece *more = kmalloc(PAGE_SIZE, gfp);

			if (!more)
				return false;
			more->next = NULL;
			more->used = 0;
			if (last)
				last->next = more;
			else
				packed->first = more;
			packed->last = last = more;
			packed->bytes += PAGE_SIZE;
		}
		step = min_t(size_t, bytes, PIECE - last->used);
		memcpy(last->bytes + last->used, from, step);
		last->used += step;
		from += step;
		bytes -= step;
	}
	return true;
}

/* The last piece in no more memory than it needs, where that can be had. */
static void trim(struct am_packed *packed, gfp_t gfp)
{
	struct piece *last = packed->last, *smaller, **to = &packed->first;
	size_t bytes = sizeof(*last) + last->used;

	if (bytes > PAGE_SIZE / 2)
		return;
	smaller = kmemdup(last, bytes, gfp);
	if (!smaller)
		return;
	while (*to != last)
		to = &(*to)->next;
	*to = packed->last = smaller;
	packed->bytes -= PAGE_SIZE - ksize(smaller);
	kfree(last);
}

void am_packed_free(struct am_packed *packed)
{
	struct piece *at, *next;

	if (!packed)
		return;
	for (at = packed->first; at; at = next) {
		next = at->next;
		kfree(at);
	}
	kfree(packed);
}

u64 am_packed_bytes(const struct am_packed *packed)
{
	return packed->bytes;
}

/*
 * At most `most` bytes, or ERR_PTR: -E2BIG when it does not become so small, -ENOMEM. The caller
 * holds am_packer.
 */
struct am_packed *am_pack(const void *bytes, u64 length, u64 most, gfp_t gfp)
{
	struct am_packed *packed = kzalloc(sizeof(*packed), gfp);
	zstd_cctx *machine = zstd_init_cctx(pack_space, pack_space_bytes);
	u64 at;
	u32 step, size;
	int error = -ENOMEM;

	lockdep_assert_held(&am_packer);
	if (!packed)
		return ERR_PTR(-ENOMEM);
	packed->bytes = sizeof(*packed);
	for (at = 0; at < length; at += step) {
		size_t made;

		step = min_t(u64, length - at, FRAME);
		made = zstd_compress_cctx(machine, pack_room, room_bytes, bytes + at, step, &with);
		size = zstd_is_error(made) || made >= step ? step : made;
		if (!put(packed, &size, sizeof(size), gfp) ||
		    !put(packed, size == step ? bytes + at : pack_room, size, gfp))
			goto no;
		if (packed->bytes > most + PAGE_SIZE)
			break;
		cond_resched();
	}
	trim(packed, gfp);
	error = -E2BIG;
	if (packed->bytes > most)
		goto no;
	return packed;
no:
	am_packed_free(packed);
	return ERR_PTR(error);
}

struct reader {
	const struct piece *piece;
	u32 at;
};

static bool get(struct reader *from, void *to, size_t bytes)
{
	while (bytes) {
		size_t step;

		if (from->piece && from->at == from->piece->used) {
			from->piece = from->piece->next;
			from->at = 0;
		}
		if (!from->piece)
			return false;
		step = min_t(size_t, bytes, from->piece->used - from->at);
		memcpy(to, from->piece->bytes + from->at, step);
		from->at += step;
		to += step;
		bytes -= step;
	}
	return true;
}

/* One frame, of `step` bytes when it is unpacked. Under am_unpacker. */
static int unpack_frame(struct reader *from, void *to, u32 step)
{
	zstd_dctx *machine = zstd_init_dctx(unpack_space, unpack_space_bytes);
	u32 size;

	if (!get(from, &size, sizeof(size)) || size > step)
		return AM_ECORRUPT;
	if (!get(from, size == step ? to : unpack_room, size))
		return AM_ECORRUPT;
	if (size != step && zstd_decompress_dctx(machine, to, step, unpack_room, size) != step)
		return AM_ECORRUPT;
	return AM_OK;
}

/* A large unit does not keep a small one waiting: the work space is given back after each frame. */
int am_unpack(const struct am_packed *packed, void *bytes, u64 length)
{
	struct reader from = { packed->first, 0 };
	int status = AM_OK;
	u64 at;
	u32 step;

	for (at = 0; at < length && !status; at += step) {
		step = min_t(u64, length - at, FRAME);
		if (fatal_signal_pending(current) || mutex_lock_killable(&am_unpacker))
			return AM_INTERRUPTED;
		status = unpack_frame(&from, bytes + at, step);
		mutex_unlock(&am_unpacker);
		cond_resched();
	}
	return status;
}

void am_pack_stop(void)
{
	vfree(pack_space);
	vfree(pack_room);
	vfree(unpack_space);
	vfree(unpack_room);
}

int am_pack_start(void)
{
	with = zstd_get_params(LEVEL, FRAME);
	with.fParams.checksumFlag = 1;
	pack_space_bytes = zstd_cctx_workspace_bound(&with.cParams);
	unpack_space_bytes = zstd_dctx_workspace_bound();
	room_bytes = zstd_compress_bound(FRAME);
	pack_space = vmalloc(pack_space_bytes);
	unpack_space = vmalloc(unpack_space_bytes);
	pack_room = vmalloc(room_bytes);
	unpack_room = vmalloc(room_bytes);
	if (pack_space && unpack_space && pack_room && unpack_room)
		return 0;
	am_pack_stop();
	return -ENOMEM;
}
