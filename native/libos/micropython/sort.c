/* list.sort and sorted: stable, as Python promises and MicroPython's own are not; each key is computed once.
 * A merge sort from below over runs of eight, which insertion has sorted. The list is written when all is done, so
 * a comparison that raises leaves it as it was. */
#include <string.h>

#include "py/runtime.h"

#include "sort.h"

#define RUN 8u

struct pair {
    mp_obj_t key, value;
};

/* Whether b has to stand before a, which stood before it. */
static inline bool goes_before(mp_obj_t b, mp_obj_t a, bool reverse)
{
    if (mp_obj_is_small_int(a) && mp_obj_is_small_int(b))
        return reverse ? MP_OBJ_SMALL_INT_VALUE(a) < MP_OBJ_SMALL_INT_VALUE(b)
                       : MP_OBJ_SMALL_INT_VALUE(b) < MP_OBJ_SMALL_INT_VALUE(a);
    return mp_obj_is_true(reverse ? mp_binary_op(MP_BINARY_OP_LESS, a, b) : mp_binary_op(MP_BINARY_OP_LESS, b, a));
}

static void insert(struct pair *at, size_t count, bool reverse)
{
    for (size_t i = 1; i < count; i++) {
        const struct pair moved = at[i];
        size_t to = i;
        for (; to > 0 && goes_before(moved.key, at[to - 1].key, reverse); to--)
            at[to] = at[to - 1];
        at[to] = moved;
    }
}

static void merge(const struct pair *left, size_t lefts, const struct pair *right, size_t rights, struct pair *to,
                  bool reverse)
{
    while (lefts > 0 && rights > 0)
        if (goes_before(right->key, left->key, reverse))
            *to++ = *right++, rights--;
        else
            *to++ = *left++, lefts--;
    memcpy(to, lefts > 0 ? left : right, (lefts + rights) * sizeof *to);
}

void nx_sort(mp_obj_t *items, size_t count, mp_obj_t key, bool reverse)
{
    if (count < 2)
        return;
    struct pair *from = m_new(struct pair, count), *to = count > RUN ? m_new(struct pair, count) : NULL;
    for (size_t i = 0; i < count; i++)
        from[i] = (struct pair){key == MP_OBJ_NULL ? items[i] : mp_call_function_1(key, items[i]), items[i]};
    for (size_t i = 0; i < count; i += RUN)
        insert(from + i, count - i < RUN ? count - i : RUN, reverse);
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t lefts = count - i < width ? count - i : width;
            size_t rights = count - i - lefts < width ? count - i - lefts : width;
            merge(from + i, lefts, from + i + lefts, rights, to + i, reverse);
        }
        struct pair *other = from;
        from = to;
        to = other;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = from[i].value;
    m_del(struct pair, from, count);
    if (to)
        m_del(struct pair, to, count);
}
