/* A dictionary shrinks what is like its samples, is the same after saving, and serves many threads at
 * once. */
#include "codec.h"
#include "made_text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 500, LENGTH = 1200, THREADS = 4, UNITS = 200 };
static uint8_t samples[(COUNT + UNITS) * LENGTH]; /* the units are not among what is learnt */
static size_t lengths[COUNT];
static int failures;
static _Atomic int thread_failures;

static void expect(int true_, const char *what)
{
    if (!true_) {
        fprintf(stderr, "not so: %s\n", what);
        failures++;
    }
}

static size_t stored_bytes(const struct am_dictionary *dictionary, int level)
{
    uint8_t out[LENGTH + 64];
    size_t total = 0;
    for (size_t i = 0; i < UNITS; i++)
        total += am_encode(samples + (COUNT + i) * LENGTH, LENGTH, dictionary, level, out);
    return total;
}

static void *code(void *given)
{
    const struct am_dictionary *dictionary = given;
    uint8_t stored[LENGTH + 64], back[LENGTH];
    for (size_t i = 0; i < UNITS; i++) {
        const uint8_t *raw = samples + (COUNT + i) * LENGTH;
        const size_t bytes = am_encode(raw, LENGTH, dictionary, 1 + (int)(i % 9), stored);
        if (bytes == 0 || am_decode(stored, bytes, NULL, 0, dictionary, back, LENGTH) != 0 ||
            memcmp(back, raw, LENGTH) != 0)
            atomic_fetch_add(&thread_failures, 1);
    }
    return NULL;
}

int main(void)
{
    struct made made = {42};
    /* Messages of one service: a frame that repeats, and words that do not. */
    for (size_t i = 0; i < COUNT + UNITS; i++) {
        uint8_t *at = samples + i * LENGTH;
        static const char frame[] =
            "{\"role\": \"tool\", \"name\": \"get_reservation_details\", \"content\": {\"id\": ";
        made_text(&made, at, LENGTH);
        for (size_t piece = 0; piece + 200 < LENGTH; piece += 200)
            memcpy(at + piece, frame, sizeof frame - 1);
    }
    for (size_t i = 0; i < COUNT; i++)
        lengths[i] = LENGTH;
    struct am_dictionary *dictionary = am_dictionary_train(samples, lengths, COUNT, 77);
    if (dictionary == NULL) {
        fprintf(stderr, "nothing was learnt from %d samples\n", COUNT);
        return 1;
    }
    expect(am_dictionary_number(dictionary) == 77, "its number is 77");
    const size_t alone = stored_bytes(NULL, AM_LEVEL), with = stored_bytes(dictionary, AM_LEVEL);
    printf("%d units of %d bytes: %zu stored alone, %zu with the dictionary\n", UNITS, LENGTH, alone, with);
    expect(with < alone - alone / 8, "units take an eighth less with a dictionary");

    size_t length;
    const void *bytes = am_dictionary_bytes(dictionary, &length);
    struct am_dictionary *loaded = am_dictionary_load(bytes, length, 77);
    uint8_t stored[LENGTH + 64], back[LENGTH];
    const uint8_t *raw = samples + COUNT * LENGTH;
    const size_t took = am_encode(raw, LENGTH, dictionary, 9, stored);
    expect(loaded != NULL && am_decode(stored, took, NULL, 0, loaded, back, LENGTH) == 0 &&
               memcmp(back, raw, LENGTH) == 0,
           "what one wrote is read with the one that was loaded");
    am_dictionary_free(dictionary);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, code, loaded);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect(atomic_load(&thread_failures) == 0, "threads that share a dictionary read what they wrote");
    am_dictionary_free(loaded);
    am_dictionary_free(NULL);

    expect(am_dictionary_train(samples, lengths, 3, 1) == NULL, "three samples are too few");
    expect(am_dictionary_train(samples, lengths, 0, 1) == NULL, "no sample is too few");
    const size_t tiny[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    expect(am_dictionary_train(samples, tiny, 12, 1) == NULL, "twelve bytes are too few");
    static const size_t empty[20];
    expect(am_dictionary_train(samples, empty, 20, 1) == NULL, "twenty empty samples are too few");
    expect(am_dictionary_load(samples, 5000, 1) == NULL, "text is no dictionary");
    expect(am_dictionary_load(samples, 0, 1) == NULL, "nothing is no dictionary");
    return failures != 0;
}
