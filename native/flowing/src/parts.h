/* The parts of a flow, as the files of this library see them. What each means is in the Python file of the
 * same name in src/nexus/flowing; the names are the same. */
#ifndef NEXUS_FLOWING_PARTS_H
#define NEXUS_FLOWING_PARTS_H

#include "nexus_flowing.h"

enum {
    ORDERS = 6,
    CONTEXTS = 14,
    WINDOW = 32,
    SHORTEST = 6,
    MATCHES = 16,
    SITUATIONS = 32,
    FAMILIAR = 10,
    WIDTH = 48,
    SETS = 3,
    EACH = 2 * CONTEXTS + 4,          /* inputs of one kind of text: a multiple of 8 */
    INPUTS = NX_FLOW_KINDS * EACH,
};
_Static_assert(EACH % 8 == 0, "the kernels take eight inputs at a time");

#define SURE 11.5F

static inline uint64_t mixed(uint64_t value)
{
    value = (value ^ (value >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    value = (value ^ (value >> 29)) * UINT64_C(0x9E3779B97F4A7C15);
    return value ^ (value >> 32);
}

/* contexts.py */
struct context {
    uint8_t window[WINDOW]; /* a ring; the byte before the last n is window[(length - n) % WINDOW] */
    uint64_t length, last, word, previous_word, word_before, line;
};
void context_add(struct context *context, uint8_t byte);
void context_hashes(const struct context *context, uint64_t hashes[CONTEXTS]);
uint64_t context_tail(const struct context *context);

/* states.py */
struct states {
    uint8_t successor[256][2], counted[256];
    float first_guess[256];
    unsigned count;
};
void states_make(struct states *states);

/* memory.py */
struct memory {
    unsigned bits, match_bits;
    uint8_t (*buckets)[16];
    float (*guess)[256];
    uint16_t (*tries)[256];
    uint8_t *text;
    uint32_t *places;
    float *match_guess;
    uint16_t *match_tries;
    uint64_t total;
    /* what is being predicted */
    uint8_t *rows[CONTEXTS];
    uint8_t seen[CONTEXTS];
    unsigned slot;
    uint64_t pointer;
    unsigned length;
    int expected;
    bool foreseen, familiar;
    unsigned match, situation;
};
void memory_begin(struct memory *memory);
void memory_prefetch(const struct memory *memory, const uint64_t hashes[CONTEXTS]);
void memory_find(struct memory *memory, const struct states *states, const uint64_t hashes[CONTEXTS], bool learn);
void memory_foresee(struct memory *memory);
/* Writes the probabilities of the inputs, 0.5 where a context is silent: [CONTEXTS + 1]. */
void memory_guesses(struct memory *memory, unsigned node, unsigned depth, float guesses[CONTEXTS + 1]);
void memory_learn(struct memory *memory, const struct states *states, unsigned bit, unsigned depth);
void memory_follow(struct memory *memory, uint8_t byte, const struct context *context);
void memory_keep(struct memory *memory, uint8_t byte, const struct context *context);

/* energy.py */
struct cell {
    unsigned bits;
    float (*embedding)[WIDTH];
    float (*readout)[256]; /* [WIDTH] */
    float *bias;
    float *rows[ORDERS];
    float z[WIDTH], p[256], tree[512];
};
void cell_first_readout(float readout[WIDTH][256]);
void cell_prefetch(const struct cell *cell, const uint64_t hashes[CONTEXTS]);
void cell_foresee(struct cell *cell, const uint64_t hashes[CONTEXTS]);
float cell_bit(const struct cell *cell, unsigned node);
unsigned cell_learn(struct cell *cell, uint8_t byte, const struct nx_flow_settings *settings);

/* mixing.py */
struct mixer {
    float *weights[SETS]; /* [SITUATIONS or 256][inputs] */
    float (*shares)[SETS]; /* [SITUATIONS] */
};

/* The loops over floats, once in plain C and once for AVX2. */
struct kernels {
    const char *name;
    /* out[i] = ln(p[i] / (1 - p[i])) for i below count, a multiple of 8 */
    void (*stretch)(const float *p, float *out, unsigned count);
    /* sum of weights * values, count a multiple of 8 */
    float (*dot)(const float *weights, const float *values, unsigned count);
    /* weights += rate * values */
    void (*add)(float *weights, const float *values, float rate, unsigned count);
    /* p = softmax(z readout + bias) */
    void (*softmax)(const float z[WIDTH], const float (*readout)[256], const float *bias, float p[256]);
    /* pull[d] = readout[d] . missed */
    void (*pull)(const float (*readout)[256], const float missed[256], float pull[WIDTH]);
};
extern const struct kernels kernels_plain, kernels_avx2;
const struct kernels *kernels(void);

#endif
