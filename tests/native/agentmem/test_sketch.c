/* A text with another date in it is alike, wherever the date stands; another text is not. */
#include "codec.h"
#include "made_text.h"

#include <stdio.h>
#include <stdlib.h>

static int failures;

/* A prompt with these words at a place of it; the bytes. */
static size_t put(uint8_t *out, const uint8_t *text, size_t length, size_t at, const char *words)
{
    const size_t more = strlen(words);
    memcpy(out, text, at);
    memcpy(out + at, words, more);
    memcpy(out + at + more, text + at, length - at);
    return length + more;
}

static struct am_sketch sketch_of(const uint8_t *text, size_t length)
{
    struct am_sketch sketch;
    uint8_t *own = malloc(length + 1); /* so that a byte read past it is noticed */
    if (own == NULL)
        exit(1);
    memcpy(own, text, length);
    am_sketch(own, length, &sketch);
    free(own);
    return sketch;
}

int main(void)
{
    enum { LONGEST = 1000000, TRIALS = 40 };
    static const size_t lengths[] = {2000, 4000, 16000, 62000, LONGEST};
    static uint8_t text[LONGEST], one[LONGEST + 200], other[LONGEST + 200];
    struct made made = {7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t length = lengths[i], places[] = {0, 300, length / 2, length - 300, length};
        int missed = 0, mistaken = 0;
        struct am_sketch before = {{0}};
        for (int trial = 0; trial < TRIALS; trial++) {
            made_text(&made, text, length);
            const size_t at = places[trial % 5];
            const size_t a = put(one, text, length, at, "<env>/srv/agents/one, 2026-11-20</env>\n");
            const size_t b =
                put(other, text, length, at, "<env>/srv/elsewhere, 2027-01-01, a longer one</env>\n");
            const struct am_sketch first = sketch_of(one, a), second = sketch_of(other, b);
            missed += am_sketch_agree(&first, &second) < AM_SKETCH_ALIKE;
            mistaken += am_sketch_agree(&first, &before) >= AM_SKETCH_ALIKE;
            before = first;
            const struct am_sketch again = sketch_of(one, a);
            if (memcmp(&again, &first, sizeof again) != 0) {
                fprintf(stderr, "the same text has two sketches\n");
                failures++;
            }
        }
        /* A hint, not a promise: of short texts one in ten may be missed. */
        if (missed > (length < 10000 ? TRIALS / 10 : 0) || mistaken != 0) {
            fprintf(stderr, "%zu bytes: %d of %d not found alike, %d alike that are not\n", length, missed,
                    TRIALS, mistaken);
            failures++;
        }
    }

    /* A text of a kilobyte has something in most bins, a word in one, nothing in none. */
    const struct am_sketch word = sketch_of((const uint8_t *)"hello", 5), none = sketch_of(text, 0);
    if (am_sketch_agree(&word, &word) != 1 || am_sketch_agree(&none, &none) != 0) {
        fprintf(stderr, "a word agrees with itself in %d bins, nothing in %d\n",
                am_sketch_agree(&word, &word), am_sketch_agree(&none, &none));
        failures++;
    }
    /* Sketches are kept and compared by later versions: they may not change. */
    struct made fixed = {1};
    made_text(&fixed, text, 5000);
    const struct am_sketch kept = sketch_of(text, 5000);
    static const uint64_t wanted[AM_SKETCH] = {
        0x018b190803d25321, 0x22318cb058322f9b, 0x48f6c1a40a338d1d, 0x666a3421af5a6cf8,
        0x805eacf063e417c6, 0xa2937b192e092656, 0xccbd70730bf250eb, 0xe8e72c0e27a84db7,
    };
    for (int i = 0; i < AM_SKETCH; i++)
        if (kept.bin[i] != wanted[i]) {
            fprintf(stderr, "bin %d is %#llx, not %#llx\n", i, (unsigned long long)kept.bin[i],
                    (unsigned long long)wanted[i]);
            failures++;
        }
    return failures != 0;
}
