/* A dictionary: what many small units have in common, prepared so that every thread may use it at the same
 * time.
 *
 * It does not know whose units those are. Invariant: bytes and decoder never change after it was made; the
 * encoder of a level is made by the first who needs it, and once there it stays until am_dictionary_free. */
#include "codec_zstd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>

struct am_dictionary {
    uint32_t number;
    size_t length;
    ZSTD_DDict *decoder;
    ZSTD_CDict *_Atomic encoders[AM_LEVELS];
    uint8_t bytes[];
};

struct am_dictionary *am_dictionary_load(const void *bytes, size_t length, uint32_t number)
{
    /* zstd would take any bytes as something to refer to; what training made has a number of its own. */
    if (ZDICT_getDictID(bytes, length) == 0)
        return NULL;
    struct am_dictionary *made = calloc(1, sizeof *made + length);
    if (made == NULL)
        return NULL;
    memcpy(made->bytes, bytes, length);
    made->length = length;
    made->number = number;
    made->decoder = ZSTD_createDDict(made->bytes, length);
    if (made->decoder == NULL || am_dictionary_encoder(made, AM_LEVEL) == NULL) {
        am_dictionary_free(made);
        return NULL;
    }
    return made;
}

const void *am_dictionary_bytes(const struct am_dictionary *dictionary, size_t *length)
{
    *length = dictionary->length;
    return dictionary->bytes;
}

uint32_t am_dictionary_number(const struct am_dictionary *dictionary)
{
    return dictionary->number;
}

void am_dictionary_free(struct am_dictionary *dictionary)
{
    if (dictionary == NULL)
        return;
    ZSTD_freeDDict(dictionary->decoder);
    for (unsigned level = 0; level < AM_LEVELS; level++)
        ZSTD_freeCDict(atomic_load(&dictionary->encoders[level]));
    free(dictionary);
}

const ZSTD_CDict *am_dictionary_encoder(const struct am_dictionary *dictionary, int level)
{
    ZSTD_CDict *_Atomic *slot =
        &((struct am_dictionary *)dictionary)->encoders[level]; /* a cache: not its value */
    ZSTD_CDict *there = atomic_load_explicit(slot, memory_order_acquire);
    if (there == NULL) {
        ZSTD_CDict *made = ZSTD_createCDict(dictionary->bytes, dictionary->length, level);
        if (made == NULL || atomic_compare_exchange_strong(slot, &there, made))
            return made;
        ZSTD_freeCDict(made); /* another thread was first */
    }
    return there;
}

const ZSTD_DDict *am_dictionary_decoder(const struct am_dictionary *dictionary)
{
    return dictionary->decoder;
}

/* What the judges take when they are stored with it; SIZE_MAX when that cannot be told. */
static size_t judged(const struct am_dictionary *dictionary, const uint8_t *samples, const size_t *lengths,
                     size_t from, size_t count, void *room)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; at += lengths[i++])
        if (i >= from) {
            const size_t stored = am_encode(samples + at, lengths[i], dictionary, AM_LEVEL, room);
            if (stored == 0)
                return SIZE_MAX;
            total += stored;
        }
    return total;
}

/* Larger is not always better: the trainer spends room on what few samples have. */
static const size_t sizes[] = {AM_DICTIONARY / 16, AM_DICTIONARY / 8, AM_DICTIONARY / 4, AM_DICTIONARY};

struct am_dictionary *am_dictionary_train(const void *samples, const size_t *lengths, size_t count,
                                          uint32_t number)
{
    const size_t teachers = count - count / 5;
    size_t longest = 0, taught = 0, best_size = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        longest = lengths[i] > longest ? lengths[i] : longest;
        taught += i < teachers ? lengths[i] : 0;
    }
    struct am_dictionary *best = NULL;
    void *trained = malloc(AM_DICTIONARY), *room = malloc(am_stored_bound(longest));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && trained != NULL && room != NULL; i++) {
        if (count < 10 || taught < 2 * sizes[i])
            break; /* zstd 1.5.4 divides by zero when there is next to nothing */
        const size_t length = ZDICT_trainFromBuffer(trained, sizes[i], samples, lengths, (unsigned)teachers);
        if (ZDICT_isError(length))
            continue; /* too few samples for this size */
        struct am_dictionary *made = am_dictionary_load(trained, length, number);
        if (made == NULL)
            continue;
        const size_t stored = judged(made, samples, lengths, teachers, count, room);
        if (stored < best_size) {
            am_dictionary_free(best);
            best = made;
            best_size = stored;
        } else {
            am_dictionary_free(made);
        }
    }
    free(trained);
    free(room);
    return best;
}
