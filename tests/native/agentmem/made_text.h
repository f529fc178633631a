/* Texts for tests, the same in every run: words that repeat as they do in prompts, and bytes that do not
 * shrink. */
#ifndef MADE_TEXT_H
#define MADE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct made {
    uint64_t state;
};

static inline size_t made_number(struct made *made, size_t below)
{
    made->state ^= made->state << 13;
    made->state ^= made->state >> 7;
    made->state ^= made->state << 17;
    return (size_t)((made->state * 0x9e3779b97f4a7c15u >> 16) % below);
}

static inline void made_noise(struct made *made, uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)made_number(made, 256);
}

/* Lines of words out of 4,096, common ones more often. */
static inline void made_text(struct made *made, uint8_t *out, size_t length)
{
    size_t at = 0, column = 0;
    while (at < length) {
        uint64_t word = (made_number(made, 64) * made_number(made, 64) + 1) * 0xd1342543de82ef95u;
        for (size_t letters = 2 + (word >> 60) % 8; letters > 0 && at < length; letters--, column++) {
            out[at++] = (uint8_t)('a' + word % 26);
            word /= 26;
        }
        if (at < length)
            out[at++] = column > 70 ? '\n' : ' ';
        if (column > 70)
            column = 0;
    }
}

#endif
