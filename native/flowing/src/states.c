/* The table of bit histories; see states.py. */
#include "parts.h"

#include <string.h>

struct history {
    int zeros, ones, last;
};

static int bound(int rarer)
{
    static const int bounds[] = {40, 30, 12, 8, 6, 5};
    return rarer < (int)(sizeof bounds / sizeof *bounds) ? bounds[rarer] : 0;
}

static struct history after(struct history state, int bit)
{
    int seen = (bit ? state.ones : state.zeros) + 1, other = bit ? state.zeros : state.ones;
    if (other > 5)
        other = other - 1 < 7 ? other - 1 : 7;
    while ((seen > other ? seen : other) > bound(seen < other ? seen : other)) {
        if (seen >= other)
            seen--;
        else
            other--;
    }
    struct history next = {bit ? other : seen, bit ? seen : other, 0};
    if (seen > 0 && other > 0 && seen + other <= 15)
        next.last = bit;
    return next;
}

void states_make(struct states *states)
{
    struct history found[256] = {{0, 0, 0}};
    unsigned count = 1;
    memset(states, 0, sizeof *states);
    for (unsigned number = 0; number < count; number++)
        for (int bit = 0; bit < 2; bit++) {
            struct history next = after(found[number], bit);
            unsigned known = 0;
            while (known < count && (found[known].zeros != next.zeros || found[known].ones != next.ones ||
                                     found[known].last != next.last))
                known++;
            if (known == count)
                found[count++] = next;
            states->successor[number][bit] = (uint8_t)known;
        }
    states->count = count;
    for (unsigned number = 0; number < 256; number++) {
        int zeros = found[number].zeros, ones = found[number].ones;
        states->counted[number] = number < count ? (uint8_t)(zeros + ones) : 0;
        states->first_guess[number] = number < count ? (float)((ones + 0.4) / (zeros + ones + 0.8)) : 0.5F;
    }
}
