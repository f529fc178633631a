/* What stands before the next byte, as hashes; see contexts.py. */
#include "parts.h"

void context_add(struct context *context, uint8_t byte)
{
    context->window[context->length % WINDOW] = byte;
    context->length++;
    context->last = context->last << 8 | byte;
    if (context->line < 256) /* its first two bytes */
        context->line = context->line << 8 | byte;
    if (byte == '\n')
        context->line = 0;
    uint8_t lower = byte >= 'A' && byte <= 'Z' ? byte | 32 : byte;
    if ((lower >= 'a' && lower <= 'z') || byte >= 128) {
        context->word = (context->word ^ lower) * UINT64_C(0xD6E8FEB86659FD93) + 1;
    } else if (context->word != 0) {
        context->word_before = context->previous_word;
        context->previous_word = context->word;
        context->word = 0;
    }
}

void context_hashes(const struct context *context, uint64_t hashes[CONTEXTS])
{
    const uint64_t last = context->last;
    for (unsigned order = 0; order <= ORDERS; order++)
        hashes[order] = last & ((UINT64_C(1) << 8 * order) - 1);
    uint64_t *more = hashes + ORDERS + 1;
    more[0] = last;
    more[1] = context->word;
    more[2] = context->word + context->previous_word * 3;
    more[3] = context->word + context->previous_word * 3 + context->word_before * 5;
    more[4] = last & 0xFF00FF;
    more[5] = context->word + context->line;
    more[6] = context->previous_word + (last & 0xFF);
    for (unsigned number = 0; number < CONTEXTS; number++)
        hashes[number] = mixed(hashes[number] + (number + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

uint64_t context_tail(const struct context *context)
{
    return mixed(context->last & UINT64_C(0xFFFFFFFFFFFF));
}
