/* nexus_flowing: a byte predictor that learns while it reads. No layers, no back-propagation.
 *
 * What it computes is defined by src/nexus/flowing/reference.py, plain NumPy; this is the same, some
 * hundred times as fast, to a small tolerance of floats. Every byte is predicted before it is learnt.
 *
 * There are two kinds of text. Base text (0) is predicted from the base alone; the user's text (1) from
 * both, with corrections on top of the base's weights. Learning one kind changes that kind only.
 *
 * Memory is allocated by nx_flow_new and never again: about 16 << base_bits + 16 << user_bits + 384 <<
 * energy_bits + 3 << match_bits bytes and 1.5 MB; tables that were not touched take no RAM where the
 * system hands out zeroed pages lazily. A flow may be used by one thread at a time; different flows by
 * different threads. No function changes errno, prints, or keeps a pointer that it was given.
 */
#ifndef NEXUS_FLOWING_H
#define NEXUS_FLOWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    NX_FLOW_KINDS = 2,
    NX_FLOW_LEAST_BITS = 6,
    NX_FLOW_MOST_BITS = 24,
    NX_FLOW_MOST_STEPS = 16,
};

/* See FlowSettings in src/nexus/flowing/settings.py. */
struct nx_flow_settings {
    uint32_t base_bits, user_bits, energy_bits, match_bits; /* NX_FLOW_LEAST_BITS to NX_FLOW_MOST_BITS */
    uint32_t relaxation_steps;                              /* 1 to NX_FLOW_MOST_STEPS */
    float relaxation_stop, mixer_rate, user_mixer_rate, gate_rate, row_rate, readout_rate; /* 0 to 1 */
};

struct nx_flow;

/* A flow that has learnt nothing, in *made. Fails with EINVAL for settings out of bounds, ENOMEM; *made is
 * then NULL. */
int nx_flow_new(const struct nx_flow_settings *settings, struct nx_flow **made);

/* NULL is allowed. */
void nx_flow_free(struct nx_flow *flow);

/* A new text begins: the context is forgotten, not what was learnt. */
void nx_flow_begin(struct nx_flow *flow);

/* Predict, and where `learn` learn, `count` bytes of the kind `kind`, going on where the last reading ended.
 * bits[i] becomes the surprise of data[i] in bits, at least 0; *steps the relaxation steps of all bytes, 0
 * without `learn`. `data` and `bits` may be NULL where count is 0. EINVAL for a NULL or an unknown kind;
 * nothing is then changed. */
int nx_flow_read(struct nx_flow *flow, const uint8_t *data, size_t count, bool learn, unsigned kind,
                 float *bits, uint64_t *steps);

/* The probabilities of the next byte of the kind `kind`; they sum to 1. Learns nothing. EINVAL as above. */
int nx_flow_predict(struct nx_flow *flow, unsigned kind, float probabilities[256]);

/* The bytes learnt of each kind. Setting them belongs to restoring a saved flow. */
void nx_flow_totals(const struct nx_flow *flow, uint64_t totals[NX_FLOW_KINDS]);
void nx_flow_set_totals(struct nx_flow *flow, const uint64_t totals[NX_FLOW_KINDS]);

enum nx_flow_type { NX_FLOW_U8, NX_FLOW_U16, NX_FLOW_U32, NX_FLOW_F32 };

/* One array of what was learnt. It lives as long as the flow and may be read and written in place. */
struct nx_flow_array {
    const char *name;
    enum nx_flow_type type;
    size_t rows, columns; /* columns is 1 for a plain row of values */
    void *data;
};

/* The arrays in the order in which they are saved; how many is the same for all flows. */
size_t nx_flow_array_count(void);
/* EINVAL where there is no such part. */
int nx_flow_get_array(struct nx_flow *flow, size_t number, struct nx_flow_array *array);

/* After the arrays were written from outside: 0 where every value can be computed with, EINVAL otherwise (a
 * state that does not exist, a probability outside of 0 to 1, a weight that is no number or beyond 1e6).
 * A flow that fails must be freed or filled anew; reading with it is not defined. Begins a new text. */
int nx_flow_check(struct nx_flow *flow);

/* Which kernels are at work: "avx2" or "plain". */
const char *nx_flow_kernels(void);

#ifdef __cplusplus
}
#endif

#endif
