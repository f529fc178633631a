/* What is learnt of units while they are hot, for coding them well later: a sketch of each, which finds a
 * base for a delta, and for each type of a realm a dictionary, trained on a sample. Work for the pool; nobody
 * waits for it. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define AM_SKETCH_FROM 512u        /* bytes: below, a delta saves less than it costs */
#define AM_SAMPLE_UNIT 16384u      /* bytes of one unit that go into the sample */
#define AM_SAMPLE_BYTES (1u << 20) /* a dictionary is trained when so much has come together */
#define AM_SAMPLE_COUNT 1024u

struct sketch_job {
    struct am_job job;
    struct am_realm *realm;
    uint32_t number;
    const uint8_t *bytes;
    uint64_t length;
    struct am_sketch sketch;
};

static uint64_t bin_key(uint32_t space, int bin, uint64_t value) {
    uint64_t key = (value ^ ((uint64_t)space << 32 | (uint64_t)bin << 56)) * 0x9e3779b97f4a7c15ull;
    return key ? key : 1;
}

static struct am_base_entry *base_cell(struct am_realm *realm, uint64_t key) {
    uint32_t mask = realm->base_room - 1, at = (uint32_t)(key >> 32) & mask;
    while (realm->bases[at].key && realm->bases[at].key != key)
        at = (at + 1) & mask;
    return &realm->bases[at];
}

/* Room for one more sketch. Sized by what is in it, not by how many units there are: most are small, or lean on one. */
static bool bases_room(struct am_realm *realm) {
    if (realm->base_room && realm->base_count + AM_SKETCH <= realm->base_room / 4 * 3)
        return true;
    struct am_base_entry *old = realm->bases;
    uint32_t old_room = realm->base_room, live = 0, room = 1024;
    for (uint32_t i = 0; i < old_room; i++)
        live += old[i].unit && am_state_of(realm, old[i].unit) != AM_STATE_FREE;
    while (room / 2 < live + AM_SKETCH)
        room *= 2;
    struct am_base_entry *made = calloc(room, sizeof *made);
    if (!made)
        return false;
    realm->bases = made;
    realm->base_room = room;
    realm->base_count = live;
    for (uint32_t i = 0; i < old_room; i++)
        if (old[i].unit && am_state_of(realm, old[i].unit) != AM_STATE_FREE)
            *base_cell(realm, old[i].key) = old[i];
    free(old);
    return true;
}

static void sketch_run(struct am_job *base) {
    struct sketch_job *job = (struct sketch_job *)base;
    am_sketch(job->bytes, job->length, &job->sketch);
}

static void sketch_done(struct am_job *base) {
    struct sketch_job *job = (struct sketch_job *)base;
    struct am_realm *realm = job->realm;
    uint32_t number = job->number, space = realm->meta[number].space;
    realm->sketch[number] = job->sketch;
    realm->flag[number] |= AM_FLAG_LEARNED;
    am_unit_unpin(realm, number);
    /* The first of a family becomes its base; those after it find it and stay out. */
    if (!am_base_for(realm, number) && bases_room(realm))
        for (int bin = 0; bin < AM_SKETCH; bin++)
            if (job->sketch.bin[bin]) {
                struct am_base_entry *cell = base_cell(realm, bin_key(space, bin, job->sketch.bin[bin]));
                realm->base_count += !cell->key;
                *cell = (struct am_base_entry){bin_key(space, bin, job->sketch.bin[bin]), number};
            }
    realm->store->jobs--;
    free(job);
}

void am_forget_sketch(struct am_realm *realm, uint32_t number) {
    if (!(realm->flag[number] & AM_FLAG_LEARNED) || !realm->base_room)
        return;
    for (int bin = 0; bin < AM_SKETCH; bin++)
        if (realm->sketch[number].bin[bin]) {
            struct am_base_entry *cell =
                base_cell(realm, bin_key(realm->meta[number].space, bin, realm->sketch[number].bin[bin]));
            if (cell->key && cell->unit == number)
                cell->unit = 0; /* the key stays until the next growth, so that probing goes on */
        }
    realm->sketch[number] = (struct am_sketch){{0}};
}

/* A unit alike enough to lean on, of the same space or the shared one, that leans on none itself. */
uint32_t am_base_for(struct am_realm *realm, uint32_t number) {
    if (!(realm->flag[number] & AM_FLAG_LEARNED) || !realm->base_room)
        return 0;
    uint32_t best = 0, space = realm->meta[number].space;
    int agree = AM_SKETCH_ALIKE - 1;
    for (int turn = 0; turn < (space ? 2 : 1); turn++)
        for (int bin = 0; bin < AM_SKETCH; bin++) {
            uint64_t value = realm->sketch[number].bin[bin];
            if (!value)
                continue;
            uint32_t unit = base_cell(realm, bin_key(turn ? 0 : space, bin, value))->unit;
            if (!unit || unit == number || am_state_of(realm, unit) == AM_STATE_FREE ||
                realm->meta[unit].base || realm->meta[unit].lost || am_length(realm, unit) > AM_BASE_LARGEST)
                continue;
            int same = am_sketch_agree(&realm->sketch[number], &realm->sketch[unit]);
            if (same > agree) {
                agree = same;
                best = unit;
            }
        }
    return best;
}

struct train_job {
    struct am_job job;
    struct am_realm *realm;
    int type;
    uint8_t *sample;
    size_t *lengths, count;
    uint32_t number;
    struct am_dictionary *dictionary;
};

static void train_run(struct am_job *base) {
    struct train_job *job = (struct train_job *)base;
    job->dictionary = am_dictionary_train(job->sample, job->lengths, job->count, job->number);
}

static void train_done(struct am_job *base) {
    struct train_job *job = (struct train_job *)base;
    struct am_realm *realm = job->realm;
    struct am_store *store = realm->store;
    if (job->dictionary) {
        size_t bytes;
        const void *content = am_dictionary_bytes(job->dictionary, &bytes);
        struct am_log_head head = {.payload_bytes = bytes,
                                   .realm = realm->number,
                                   .base_or_number = job->number,
                                   .kind = AM_RECORD_DICTIONARY,
                                   .type = (uint8_t)job->type};
        uint64_t address;
        if (am_log_append(store->warm, &head, content, &address) == 0) {
            am_warm_grown(store);
            am_journal(store, AM_RECORD_DICTIONARY, realm, (uint32_t)job->type, NULL, job->number, 0, content,
                       bytes);
            uint32_t at = realm->dictionaries[job->type]++;
            realm->dictionary[job->type][at] = job->dictionary;
            realm->dictionary_number[job->type][at] = job->number;
            job->dictionary = NULL;
        }
    }
    am_dictionary_free(job->dictionary);
    realm->training[job->type] = false;
    store->jobs--;
    free(job->sample);
    free(job->lengths);
    free(job);
}

/* Put the first bytes of a unit into its type's sample; train when the sample is large enough. The second
 * dictionary is made of sixteen times as much, and so on: a realm that grows gets better ones, seldom. */
static void sample(struct am_realm *realm, uint32_t number) {
    struct am_store *store = realm->store;
    int type = am_type_of(realm, number);
    uint64_t length = am_length(realm, number);
    if (type == AM_KV_PAGE || length < 64 || am_form_of(realm, number) == AM_ROPE || realm->training[type] ||
        realm->dictionaries[type] == AM_DICTIONARIES)
        return;
    if (realm->dictionaries[type] && realm->skipped[type]++ < 16u << 2 * realm->dictionaries[type])
        return;
    realm->skipped[type] = 0;
    if (!realm->sample[type]) {
        realm->sample[type] = malloc(AM_SAMPLE_BYTES + AM_SAMPLE_UNIT);
        realm->sample_length[type] = malloc(AM_SAMPLE_COUNT * sizeof(size_t));
        realm->sample_count[type] = 0;
        realm->sample_bytes[type] = 0;
    }
    if (!realm->sample[type] || !realm->sample_length[type])
        return;
    size_t take = length > AM_SAMPLE_UNIT ? AM_SAMPLE_UNIT : (size_t)length;
    memcpy(realm->sample[type] + realm->sample_bytes[type], am_bytes_of(realm, number), take);
    realm->sample_length[type][realm->sample_count[type]++] = take;
    realm->sample_bytes[type] += take;
    if (realm->sample_bytes[type] < AM_SAMPLE_BYTES && realm->sample_count[type] < AM_SAMPLE_COUNT)
        return;
    struct train_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    *job = (struct train_job){{train_run, train_done, NULL},
                              realm,
                              type,
                              realm->sample[type],
                              realm->sample_length[type],
                              realm->sample_count[type],
                              ++store->next_dictionary,
                              NULL};
    realm->sample[type] = NULL;
    realm->sample_length[type] = NULL;
    realm->training[type] = true;
    store->jobs++;
    am_job_submit(store, &job->job);
}

void am_learn(struct am_realm *realm, uint32_t number) {
    uint64_t length = am_length(realm, number);
    sample(realm, number);
    if (length < AM_SKETCH_FROM || length > AM_BASE_LARGEST || am_form_of(realm, number) == AM_ROPE ||
        am_type_of(realm, number) == AM_KV_PAGE)
        return;
    struct sketch_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    *job = (struct sketch_job){{sketch_run, sketch_done, NULL}, realm,  number,
                               am_bytes_of(realm, number),      length, {{0}}};
    am_unit_pin(realm, number);
    realm->store->jobs++;
    am_job_submit(realm->store, &job->job);
}

void am_learn_free(struct am_realm *realm) {
    for (int type = 0; type < 6; type++) {
        for (uint32_t i = 0; i < realm->dictionaries[type]; i++)
            am_dictionary_free(realm->dictionary[type][i]);
        free(realm->sample[type]);
        free(realm->sample_length[type]);
    }
    free(realm->bases);
    free(realm->folds);
}
