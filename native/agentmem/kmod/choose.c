// SPDX-License-Identifier: GPL-2.0
/*
 * Which units go first. Knows nothing of how they go. Units that nothing pins lie on three shelves,
 * the longest unused first: HOT can be compressed, REST cannot, WARM is compressed. Order of
 * leaving: conversations whose agents are all idle, what else idle agents have, conversations of
 * active agents, the rest; among equals the old and unimportant.
 */
#include "inside.h"

static struct list_head shelves[AM_SHELVES] = {
	LIST_HEAD_INIT(shelves[0]), LIST_HEAD_INIT(shelves[1]), LIST_HEAD_INIT(shelves[2]),
};
static unsigned long hot_pages, drop_pages;

#define LOOK 2048 /* units and owners looked at in one turn: the lock is held for it */

static enum am_shelf home(const struct am_unit *unit)
{
	if (unit->packed)
		return AM_SHELF_WARM;
	return am_is_text(unit) && !unit->unfit ? AM_SHELF_HOT : AM_SHELF_REST;
}

static unsigned long pages(const struct am_unit *unit)
{
	return (unit->packed ? am_packed_bytes(unit->packed) : am_hot_bytes(unit)) >> PAGE_SHIFT;
}

static unsigned long *counter(const struct am_unit *unit)
{
	if (home(unit) == AM_SHELF_HOT)
		return &hot_pages;
	return unit->droppable && unit->importance < 100 ? &drop_pages : NULL;
}

/* Both under am_lock. Between them neither the tier, nor the importance, nor droppable change. */
void am_shelve(struct am_unit *unit)
{
	unsigned long *count = counter(unit);

	lockdep_assert_held(&am_lock);
	if (count)
		WRITE_ONCE(*count, *count + pages(unit)); /* the shrinker counts without the lock */
	list_add_tail(&unit->shelf, &shelves[home(unit)]);
}

void am_unshelve(struct am_unit *unit)
{
	unsigned long *count = counter(unit);

	lockdep_assert_held(&am_lock);
	if (list_empty(&unit->shelf))
		return;
	if (count)
		WRITE_ONCE(*count, *count - pages(unit));
	list_del_init(&unit->shelf);
}

/* What compressing (three quarters of it) and dropping could give back. */
unsigned long am_shelved_pages(void)
{
	unsigned long hot = READ_ONCE(hot_pages);

	return hot - hot / 4 + READ_ONCE(drop_pages);
}

/* *left falls by one for each owner looked at. */
static bool all_owners_idle(const struct am_unit *unit, int *left)
{
	const struct am_owner *owner;

	list_for_each_entry(owner, &unit->owners, in_unit) {
		--*left;
		if (owner->agent->state == AM_ACTIVE)
			return false;
	}
	return true;
}

static u64 score(const struct am_unit *unit, u64 now, bool idle)
{
	u64 age = min_t(u64, now - min(now, unit->used_ms), 1ull << 40);
	u64 rank = (idle ? 2 : 0) + (unit->type == AM_CONVERSATION ? 1 : 0);

	return rank << 60 | age * (101 - unit->importance);
}

static unsigned int sift(struct am_unit **chosen, u64 *scores, unsigned int n, struct am_unit *unit,
			 u64 mine)
{
	unsigned int at = n;

	if (n == AM_CHOICE && mine <= scores[n - 1])
		return n;
	if (n == AM_CHOICE)
		at--;
	else
		n++;
	for (; at && scores[at - 1] < mine; at--) {
		chosen[at] = chosen[at - 1];
		scores[at] = scores[at - 1];
	}
	chosen[at] = unit;
	scores[at] = mine;
	return n;
}

/*
 * Where the first ones of a long shelf have nothing to give, they go to its end: the next look finds
 * those behind them.
 */
static unsigned int look(struct list_head *shelf, bool drop, bool idle_only, u64 now,
			 struct am_unit **chosen, u64 *scores, unsigned int n)
{
	struct am_unit *unit;
	bool found = false;
	int left = LOOK;

	list_for_each_entry(unit, shelf, shelf) {
		bool idle;

		if (left-- <= 0) {
			if (!found)
				list_rotate_to_front(&unit->shelf, shelf);
			break;
		}
		if (unit->cooling || (drop && (!unit->droppable || unit->importance >= 100)))
			continue;
		idle = all_owners_idle(unit, &left);
		if (idle || !idle_only) {
			n = sift(chosen, scores, n, unit, score(unit, now, idle));
			found = true;
		}
	}
	return n;
}

/* Up to AM_CHOICE units, the first to go first, each watched for the caller. */
unsigned int am_choose(bool drop, bool idle_only, struct am_unit **chosen)
{
	u64 scores[AM_CHOICE], now = am_now_ms();
	unsigned int n = 0, i;

	spin_lock(&am_lock);
	n = look(&shelves[AM_SHELF_HOT], drop, idle_only, now, chosen, scores, n);
	if (drop) {
		n = look(&shelves[AM_SHELF_REST], drop, idle_only, now, chosen, scores, n);
		n = look(&shelves[AM_SHELF_WARM], drop, idle_only, now, chosen, scores, n);
	}
	for (i = 0; i < n; i++)
		kref_get(&chosen[i]->refs);
	spin_unlock(&am_lock);
	return n;
}
