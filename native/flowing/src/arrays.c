/* The arrays of a flow: made, listed, checked and freed. */
#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS, GUESS, TRIES, TEXT, PLACES, MATCH_GUESS, MATCH_TRIES, EMBEDDING, READOUT, BIAS,
       WEIGHTS0, WEIGHTS1, WEIGHTS2, SHARES, ARRAYS };

static const char *const names[NX_FLOW_KINDS][ARRAYS] = {
    {"base.buckets", "base.guess", "base.tries", "base.text", "base.places", "base.match_guess",
     "base.match_tries", "base.embedding", "base.readout", "base.bias", "base.weights0", "base.weights1",
     "base.weights2", "base.shares"},
    {"user.buckets", "user.guess", "user.tries", "user.text", "user.places", "user.match_guess",
     "user.match_tries", "user.embedding", "user.readout", "user.bias", "user.weights0", "user.weights1",
     "user.weights2", "user.shares"},
};

size_t nx_flow_array_count(void)
{
    return (size_t)NX_FLOW_KINDS * ARRAYS;
}

int nx_flow_get_array(struct nx_flow *flow, size_t number, struct nx_flow_array *array)
{
    if (flow == NULL || array == NULL || number >= nx_flow_array_count())
        return EINVAL;
    const unsigned kind = (unsigned)(number / ARRAYS), which = (unsigned)(number % ARRAYS);
    struct memory *memory = &flow->memories[kind];
    struct cell *cell = &flow->cells[kind];
    struct mixer *mixer = &flow->mixers[kind];
    struct nx_flow_array found = {names[kind][which], NX_FLOW_F32, 1, 1, NULL};
    switch (which) {
    case BUCKETS:
        found = (struct nx_flow_array){found.name, NX_FLOW_U8, (size_t)1 << memory->bits, 16, memory->buckets};
        break;
    case GUESS:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, CONTEXTS, 256, memory->guess};
        break;
    case TRIES:
        found = (struct nx_flow_array){found.name, NX_FLOW_U16, CONTEXTS, 256, memory->tries};
        break;
    case TEXT:
        found = (struct nx_flow_array){found.name, NX_FLOW_U8, (size_t)1 << memory->match_bits, 1, memory->text};
        break;
    case PLACES:
        found = (struct nx_flow_array){found.name, NX_FLOW_U32, (size_t)1 << (memory->match_bits - 3), 1,
                                      memory->places};
        break;
    case MATCH_GUESS:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, MATCHES, 1, memory->match_guess};
        break;
    case MATCH_TRIES:
        found = (struct nx_flow_array){found.name, NX_FLOW_U16, MATCHES, 1, memory->match_tries};
        break;
    case EMBEDDING:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, (size_t)1 << cell->bits, WIDTH, cell->embedding};
        break;
    case READOUT:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, WIDTH, 256, cell->readout};
        break;
    case BIAS:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, 256, 1, cell->bias};
        break;
    case SHARES:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, SITUATIONS, SETS, mixer->shares};
        break;
    default:
        found = (struct nx_flow_array){found.name, NX_FLOW_F32, nx_flow_set_rows(which - WEIGHTS0),
                                      (size_t)EACH * (kind + 1), mixer->weights[which - WEIGHTS0]};
    }
    *array = found;
    return 0;
}

static bool sound(const struct nx_flow_settings *s)
{
    const uint32_t bits[] = {s->base_bits, s->user_bits, s->energy_bits, s->match_bits};
    const float rates[] = {s->relaxation_stop, s->mixer_rate, s->user_mixer_rate, s->gate_rate, s->row_rate, s->readout_rate};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (bits[i] < NX_FLOW_LEAST_BITS || bits[i] > NX_FLOW_MOST_BITS)
            return false;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (!(rates[i] >= 0 && rates[i] <= 1))
            return false;
    return s->relaxation_steps >= 1 && s->relaxation_steps <= NX_FLOW_MOST_STEPS;
}

/* Zeroed and on a cache line. calloc does not align, aligned_alloc does not hand out untouched pages. */
static void *table(size_t count, size_t size)
{
    char *whole = calloc(count * size + 64 + sizeof(void *), 1);
    if (whole == NULL)
        return NULL;
    char *aligned = (char *)(((uintptr_t)whole + sizeof(void *) + 63) & ~(uintptr_t)63);
    memcpy(aligned - sizeof(void *), &whole, sizeof whole);
    return aligned;
}

static void drop(void *aligned)
{
    void *whole = NULL;
    if (aligned != NULL)
        memcpy(&whole, (char *)aligned - sizeof(void *), sizeof whole);
    free(whole);
}

static bool allocate(struct nx_flow *flow, unsigned kind)
{
    struct memory *memory = &flow->memories[kind];
    struct cell *cell = &flow->cells[kind];
    struct mixer *mixer = &flow->mixers[kind];
    memory->bits = kind ? flow->settings.user_bits : flow->settings.base_bits;
    memory->match_bits = flow->settings.match_bits;
    cell->bits = flow->settings.energy_bits;
    memory->buckets = table((size_t)1 << memory->bits, 16);
    memory->guess = table(CONTEXTS, sizeof *memory->guess);
    memory->tries = table(CONTEXTS, sizeof *memory->tries);
    memory->text = table((size_t)1 << memory->match_bits, 1);
    memory->places = table((size_t)1 << (memory->match_bits - 3), sizeof *memory->places);
    memory->match_guess = table(MATCHES, sizeof(float));
    memory->match_tries = table(MATCHES, sizeof(uint16_t));
    cell->embedding = table((size_t)1 << cell->bits, sizeof *cell->embedding);
    cell->readout = table(WIDTH, sizeof *cell->readout);
    cell->bias = table(256, sizeof(float));
    mixer->shares = table(SITUATIONS, sizeof *mixer->shares);
    bool all = memory->buckets && memory->guess && memory->tries && memory->text && memory->places &&
               memory->match_guess && memory->match_tries && cell->embedding && cell->readout && cell->bias &&
               mixer->shares;
    for (unsigned set = 0; set < SETS; set++) {
        mixer->weights[set] = table((size_t)nx_flow_set_rows(set) * EACH * (kind + 1), sizeof(float));
        all = all && mixer->weights[set] != NULL;
    }
    return all;
}

/* What is stretched counts a little, the rest nothing yet. */
static float first_weight(size_t input)
{
    return input < CONTEXTS || input == 2 * CONTEXTS || input == 2 * CONTEXTS + 2 ? 0.06F : 0;
}

static void fill(struct nx_flow *flow, unsigned kind)
{
    struct memory *memory = &flow->memories[kind];
    struct mixer *mixer = &flow->mixers[kind];
    for (unsigned number = 0; number < CONTEXTS; number++)
        memcpy(memory->guess[number], flow->states.first_guess, sizeof flow->states.first_guess);
    for (unsigned match = 0; match < MATCHES; match++)
        memory->match_guess[match] = 0.75F;
    cell_first_readout(flow->cells[kind].readout);
    const unsigned inputs = EACH * (kind + 1);
    for (unsigned set = 0; set < SETS; set++)
        for (size_t i = 0; i < (size_t)nx_flow_set_rows(set) * inputs; i++)
            mixer->weights[set][i] = i % inputs < (size_t)kind * EACH ? 0 : first_weight(i % EACH);
    for (unsigned situation = 0; situation < SITUATIONS; situation++)
        for (unsigned set = 0; set < SETS; set++)
            mixer->shares[situation][set] = kind ? 0 : 1.0F / SETS;
}

int nx_flow_new(const struct nx_flow_settings *settings, struct nx_flow **made)
{
    if (made == NULL)
        return EINVAL;
    *made = NULL;
    if (settings == NULL || !sound(settings))
        return EINVAL;
    struct nx_flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL)
        return ENOMEM;
    flow->settings = *settings;
    states_make(&flow->states);
    for (unsigned kind = 0; kind < NX_FLOW_KINDS; kind++) {
        if (!allocate(flow, kind)) {
            nx_flow_free(flow);
            return ENOMEM;
        }
        fill(flow, kind);
    }
    nx_flow_begin(flow);
    *made = flow;
    return 0;
}

void nx_flow_free(struct nx_flow *flow)
{
    if (flow == NULL)
        return;
    for (unsigned kind = 0; kind < NX_FLOW_KINDS; kind++) {
        const struct memory *memory = &flow->memories[kind];
        const struct cell *cell = &flow->cells[kind];
        void *const tables[] = {memory->buckets, memory->guess, memory->tries, memory->text, memory->places,
                                memory->match_guess, memory->match_tries, cell->embedding, cell->readout,
                                cell->bias, flow->mixers[kind].shares};
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
            drop(tables[i]);
        for (unsigned set = 0; set < SETS; set++)
            drop(flow->mixers[kind].weights[set]);
    }
    free(flow);
}

static bool all_between(const float *values, size_t count, float low, float high)
{
    bool fine = true;
    for (size_t i = 0; i < count; i++)
        fine = fine && values[i] >= low && values[i] <= high; /* false of what is no number */
    return fine;
}

int nx_flow_check(struct nx_flow *flow)
{
    if (flow == NULL)
        return EINVAL;
    nx_flow_begin(flow);
    for (size_t number = 0; number < nx_flow_array_count(); number++) {
        struct nx_flow_array array;
        nx_flow_get_array(flow, number, &array);
        const size_t count = array.rows * array.columns, which = number % ARRAYS;
        const bool probability = which == GUESS || which == MATCH_GUESS;
        if (array.type == NX_FLOW_F32 &&
            !all_between(array.data, count, probability ? 1.0F / 8192 : -1e6F, probability ? 1 - 1.0F / 8192 : 1e6F))
            return EINVAL;
        if (which == BUCKETS) {
            const uint8_t *bytes = array.data;
            for (size_t i = 0; i < count; i++)
                if (i % 16 != 0 && bytes[i] >= flow->states.count)
                    return EINVAL;
        }
    }
    return 0;
}

const char *nx_flow_kernels(void)
{
    return kernels()->name;
}
