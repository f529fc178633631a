/* Bit histories under hashed contexts, and where the last bytes stood before; see memory.py. */
#include "parts.h"

#include <string.h>

#define LEAST (1.0F / 4096)
#define LIMIT 1000
#define FIRST 8.0F

static uint64_t line_of(const struct memory *memory, uint64_t hash)
{
    return hash >> (64 - (memory->bits - 2)) << 2;
}

void memory_begin(struct memory *memory)
{
    memory->pointer = 0;
    memory->length = 0;
}

void memory_prefetch(const struct memory *memory, const uint64_t hashes[CONTEXTS])
{
    for (unsigned number = 0; number < CONTEXTS; number++)
        __builtin_prefetch(memory->buckets[line_of(memory, hashes[number])]);
}

void memory_find(struct memory *memory, const struct states *states, const uint64_t hashes[CONTEXTS], bool learn)
{
    static uint8_t nothing[16];
    for (unsigned number = 0; number < CONTEXTS; number++) {
        uint8_t(*line)[16] = memory->buckets + line_of(memory, hashes[number]);
        const uint8_t check = (uint8_t)(hashes[number] >> 8);
        unsigned row = 0, least = 0;
        while (row < 4 && line[row][0] != check)
            row++;
        if (row == 4) {
            if (!learn) {
                memory->rows[number] = nothing;
                continue;
            }
            for (row = 1; row < 4; row++)
                if (states->counted[line[row][1]] < states->counted[line[least][1]])
                    least = row;
            row = least;
            memset(line[row], 0, 16);
            line[row][0] = check;
        }
        memory->rows[number] = line[row];
    }
}

/* How many bytes before `place` equal the last bytes read, at most WINDOW. */
static unsigned agreeing(const struct memory *memory, uint64_t place, const struct context *context)
{
    const uint64_t mask = (UINT64_C(1) << memory->match_bits) - 1;
    unsigned count = 0;
    while (count < WINDOW && count < context->length && count < place &&
           memory->text[(place - 1 - count) & mask] == context->window[(context->length - 1 - count) % WINDOW])
        count++;
    return count;
}

void memory_foresee(struct memory *memory)
{
    const uint64_t size = UINT64_C(1) << memory->match_bits, age = memory->total - memory->pointer;
    if (memory->length > 0 && (age < 1 || age > size)) /* all was followed, or it was overwritten */
        memory->length = 0;
    memory->expected = memory->length > 0 ? memory->text[memory->pointer & (size - 1)] : -1;
    memory->match = memory->length > 0 ? (memory->length - SHORTEST) / 2 + 1 : 0;
    if (memory->match >= MATCHES)
        memory->match = MATCHES - 1;
}

void memory_guesses(struct memory *memory, unsigned node, unsigned depth, float guesses[CONTEXTS + 1])
{
    const unsigned known = depth < 4 ? depth : depth - 4;
    memory->slot = 1U << known | (node & ((1U << known) - 1));
    for (unsigned number = 0; number < CONTEXTS; number++) {
        const uint8_t seen = memory->rows[number][memory->slot];
        memory->seen[number] = seen;
        guesses[number] = seen ? memory->guess[number][seen] : 0.5F;
    }
    memory->situation = 0;
    for (unsigned number = 1; number <= 7; number++)
        memory->situation += memory->seen[number] ? 4 : 0;
    guesses[CONTEXTS] = 0.5F;
    memory->foreseen = memory->expected >= 0 && ((unsigned)memory->expected | 256) >> (8 - depth) == node;
    memory->familiar = memory->foreseen && memory->match >= FAMILIAR;
    if (memory->foreseen) {
        const float sure = memory->match_guess[memory->match];
        memory->situation += memory->match < 5 ? 1 : memory->match < FAMILIAR ? 2 : 3;
        guesses[CONTEXTS] = memory->expected >> (7 - depth) & 1 ? sure : 1 - sure;
    }
}

static float between(float p)
{
    return p < LEAST ? LEAST : p > 1 - LEAST ? 1 - LEAST : p;
}

void memory_learn(struct memory *memory, const struct states *states, unsigned bit, unsigned depth)
{
    for (unsigned number = 0; number < CONTEXTS; number++) {
        const uint8_t seen = memory->seen[number];
        if (seen && !memory->familiar) {
            float *guess = &memory->guess[number][seen];
            uint16_t *tries = &memory->tries[number][seen];
            *guess = between(*guess + ((float)bit - *guess) / ((float)*tries + FIRST));
            *tries += *tries < LIMIT;
        }
        memory->rows[number][memory->slot] = states->successor[seen][bit];
    }
    if (memory->foreseen) {
        const float right = (memory->expected >> (7 - depth) & 1) == (int)bit;
        float *sure = &memory->match_guess[memory->match];
        uint16_t *tries = &memory->match_tries[memory->match];
        *sure = between(*sure + (right - *sure) / ((float)*tries + FIRST));
        *tries += *tries < LIMIT;
    }
}

void memory_follow(struct memory *memory, uint8_t byte, const struct context *context)
{
    if (memory->length > 0 && memory->expected == byte) {
        memory->pointer++;
        memory->length += memory->length < 65535;
        return;
    }
    memory->length = 0;
    if (context->length < SHORTEST)
        return;
    /* Places are kept in 32 bits; which 4 GB of the stream they belong to, their age tells. */
    const uint32_t place = memory->places[context_tail(context) >> (64 - (memory->match_bits - 3))];
    const uint32_t age = (uint32_t)memory->total - place;
    if (place > 0 && age >= 1 && age <= (UINT64_C(1) << memory->match_bits) - WINDOW && age <= memory->total) {
        memory->pointer = memory->total - age;
        memory->length = agreeing(memory, memory->pointer, context);
        if (memory->length < SHORTEST)
            memory->length = 0;
    }
}

void memory_keep(struct memory *memory, uint8_t byte, const struct context *context)
{
    memory->text[memory->total & ((UINT64_C(1) << memory->match_bits) - 1)] = byte;
    memory->total++;
    if (context->length >= SHORTEST)
        memory->places[context_tail(context) >> (64 - (memory->match_bits - 3))] = (uint32_t)memory->total;
}
