/* A flow: two memories, two energy cells, two mixers; see reference.py and mixing.py. */
#include "flow.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned set_rows[SETS] = {SITUATIONS, 256, 256};

static float squash(float value)
{
    return 1 / (1 + expf(-value));
}

static float within(float value)
{
    return value > SURE ? SURE : value < -SURE ? -SURE : value;
}

/* Everything that happens before the first bit of a byte. */
static void foresee(struct nx_flow *flow, unsigned kind, bool learn)
{
    context_hashes(&flow->context, flow->hashes);
    for (unsigned k = 0; k <= kind; k++) {
        memory_prefetch(&flow->memories[k], flow->hashes);
        cell_prefetch(&flow->cells[k], flow->hashes);
    }
    for (unsigned k = 0; k < NX_FLOW_KINDS; k++)
        memory_foresee(&flow->memories[k]);
    for (unsigned k = 0; k <= kind; k++)
        cell_foresee(&flow->cells[k], flow->hashes);
    for (unsigned k = 0; k <= kind; k++)
        memory_find(&flow->memories[k], &flow->states, flow->hashes, learn && k == kind);
}

static void second_half(struct nx_flow *flow, unsigned kind, unsigned node, bool learn)
{
    uint64_t hashes[CONTEXTS];
    for (unsigned number = 0; number < CONTEXTS; number++)
        hashes[number] = mixed(flow->hashes[number] + node * UINT64_C(0x9E3779B97F4A7C15));
    for (unsigned k = 0; k <= kind; k++)
        memory_prefetch(&flow->memories[k], hashes);
    for (unsigned k = 0; k <= kind; k++)
        memory_find(&flow->memories[k], &flow->states, hashes, learn && k == kind);
}

/* The weights of a set that are in use. */
static float *row(const struct nx_flow *flow, unsigned kind, unsigned set, unsigned node)
{
    const unsigned chosen[SETS] = {flow->memories[kind].situation, node, (uint8_t)flow->context.last};
    return flow->mixers[kind].weights[set] + (size_t)chosen[set] * EACH * (kind + 1);
}

/* The probability that the next bit is one. */
static float bit_of(struct nx_flow *flow, unsigned kind, unsigned node, unsigned depth)
{
    const struct kernels *loops = kernels();
    for (unsigned k = 0; k <= kind; k++) {
        float guesses[CONTEXTS + 2], stretched[CONTEXTS + 2], *values = flow->values + (size_t)k * EACH;
        memory_guesses(&flow->memories[k], node, depth, guesses);
        guesses[CONTEXTS + 1] = cell_bit(&flow->cells[k], node);
        loops->stretch(guesses, stretched, CONTEXTS + 2);
        for (unsigned i = 0; i < CONTEXTS; i++) {
            values[i] = stretched[i];
            values[CONTEXTS + i] = (guesses[i] - 0.5F) * 4;
        }
        values[2 * CONTEXTS] = stretched[CONTEXTS];
        values[2 * CONTEXTS + 1] = (guesses[CONTEXTS] - 0.5F) * 4;
        values[2 * CONTEXTS + 2] = stretched[CONTEXTS + 1];
        values[2 * CONTEXTS + 3] = 0.3F;
    }
    float together = 0;
    for (unsigned set = 0; set < SETS; set++) {
        float said = loops->dot(row(flow, 0, set, node), flow->values, EACH);
        float share = flow->mixers[0].shares[flow->memories[0].situation][set];
        if (kind) {
            said += loops->dot(row(flow, 1, set, node), flow->values, INPUTS);
            share += flow->mixers[1].shares[flow->memories[1].situation][set];
        }
        flow->dots[set] = within(said);
        together += flow->dots[set] * share;
    }
    flow->one = squash(within(together));
    return flow->one;
}

static void learn_bit(struct nx_flow *flow, unsigned kind, unsigned node, unsigned depth, unsigned bit)
{
    struct memory *memory = &flow->memories[kind];
    const float rate = kind ? flow->settings.user_mixer_rate : flow->settings.mixer_rate;
    for (unsigned set = 0; set < (memory->familiar ? 1 : SETS); set++) {
        const float missed = (float)bit - squash(flow->dots[set]);
        kernels()->add(row(flow, kind, set, node), flow->values, rate * missed, EACH * (kind + 1));
    }
    float *shares = flow->mixers[kind].shares[memory->situation];
    for (unsigned set = 0; set < SETS; set++)
        shares[set] += flow->settings.gate_rate * ((float)bit - flow->one) * flow->dots[set];
    memory_learn(memory, &flow->states, bit, depth);
}

int nx_flow_read(struct nx_flow *flow, const uint8_t *data, size_t count, bool learn, unsigned kind,
                 float *bits, uint64_t *steps)
{
    if (flow == NULL || steps == NULL || kind >= NX_FLOW_KINDS || (count > 0 && (data == NULL || bits == NULL)))
        return EINVAL;
    *steps = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t byte = data[i];
        unsigned node = 1;
        float likely = 1; /* at least 1e-5 to the eighth: no float becomes 0 by that */
        foresee(flow, kind, learn);
        for (unsigned depth = 0; depth < 8; depth++) {
            const unsigned bit = byte >> (7 - depth) & 1;
            if (depth == 4)
                second_half(flow, kind, node, learn);
            const float one = bit_of(flow, kind, node, depth);
            likely *= bit ? one : 1 - one;
            if (learn)
                learn_bit(flow, kind, node, depth, bit);
            node = 2 * node + bit;
        }
        bits[i] = -log2f(likely);
        if (learn)
            *steps += cell_learn(&flow->cells[kind], byte, &flow->settings);
        context_add(&flow->context, byte);
        for (unsigned k = 0; k < NX_FLOW_KINDS; k++)
            memory_follow(&flow->memories[k], byte, &flow->context);
        if (learn)
            memory_keep(&flow->memories[kind], byte, &flow->context);
    }
    return 0;
}

int nx_flow_predict(struct nx_flow *flow, unsigned kind, float probabilities[256])
{
    float tree[512] = {0, 1}, total = 0;
    if (flow == NULL || probabilities == NULL || kind >= NX_FLOW_KINDS)
        return EINVAL;
    foresee(flow, kind, false);
    for (unsigned node = 1, depth = 0; node < 16; node++) {
        depth += node >> (depth + 1);
        const float one = bit_of(flow, kind, node, depth);
        tree[2 * node + 1] = tree[node] * one;
        tree[2 * node] = tree[node] * (1 - one);
    }
    for (unsigned first = 16; first < 32; first++) {
        second_half(flow, kind, first, false);
        for (unsigned depth = 4; depth < 8; depth++)
            for (unsigned below = 0; below < 1U << (depth - 4); below++) {
                const unsigned node = first << (depth - 4) | below;
                const float one = bit_of(flow, kind, node, depth);
                tree[2 * node + 1] = tree[node] * one;
                tree[2 * node] = tree[node] * (1 - one);
            }
    }
    for (unsigned v = 0; v < 256; v++)
        total += tree[256 + v];
    for (unsigned v = 0; v < 256; v++)
        probabilities[v] = tree[256 + v] / total;
    return 0;
}

void nx_flow_begin(struct nx_flow *flow)
{
    memset(&flow->context, 0, sizeof flow->context);
    for (unsigned k = 0; k < NX_FLOW_KINDS; k++)
        memory_begin(&flow->memories[k]);
}

void nx_flow_totals(const struct nx_flow *flow, uint64_t totals[NX_FLOW_KINDS])
{
    for (unsigned k = 0; k < NX_FLOW_KINDS; k++)
        totals[k] = flow->memories[k].total;
}

void nx_flow_set_totals(struct nx_flow *flow, const uint64_t totals[NX_FLOW_KINDS])
{
    for (unsigned k = 0; k < NX_FLOW_KINDS; k++)
        flow->memories[k].total = totals[k];
}

unsigned nx_flow_set_rows(unsigned set)
{
    return set_rows[set];
}
