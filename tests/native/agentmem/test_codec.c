/* What is stored comes back byte for byte, and what is not right is refused without a byte past the room. */
#include "agentmem.h"
#include "codec.h"
#include "made_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;
static struct made made = {20261120};

#define EXPECT(true_, ...) \
    do { \
        if (!(true_)) { \
            fprintf(stderr, "%s:%d: ", __func__, __LINE__); \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr); \
            failures++; \
        } \
    } while (0)

enum { GUARD = 64 };

static uint8_t *room(size_t bytes)
{
    uint8_t *made_room = malloc(bytes + GUARD);
    if (made_room == NULL)
        exit(1);
    memset(made_room + bytes, 0xa5, GUARD);
    return made_room;
}

static bool guarded(const uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < GUARD; i++)
        if (out[bytes + i] != 0xa5)
            return false;
    return true;
}

static const uint8_t base_id[32] = {1, 2, 3, 4, 5};

/* There and back; the coding it took. */
static int round_trip(const uint8_t *raw, size_t length, const struct am_dictionary *dictionary, int level,
                      const uint8_t *base, size_t base_bytes)
{
    const size_t bound = am_stored_bound(length);
    uint8_t *stored = room(bound), *back = room(length);
    const size_t bytes = base != NULL ? am_encode_delta(raw, length, base, base_bytes, base_id, stored)
                                      : am_encode(raw, length, dictionary, level, stored);
    struct am_stored head = {.coding = 255};
    EXPECT(bytes > 0 && bytes <= bound && guarded(stored, bound), "%zu bytes in %zu of %zu", length, bytes,
           bound);
    EXPECT(am_stored_head(stored, bytes, &head) == 0 && head.raw_bytes == length, "head of %zu bytes",
           length);
    const bool delta = head.coding == AM_DELTA;
    EXPECT(!delta || memcmp(head.base, base_id, 32) == 0, "the base is not named");
    const int status = am_decode(stored, bytes, delta ? base : NULL, delta ? base_bytes : 0,
                                 head.dictionary != 0 ? dictionary : NULL, back, length);
    EXPECT(status == 0 && memcmp(back, raw, length) == 0 && guarded(back, length), "%zu bytes, level %d: %d",
           length, level, status);
    for (int i = 0; i < 8 && !delta; i++) {
        const size_t from = made_number(&made, length + 1), part = made_number(&made, length - from + 1);
        uint8_t *some = room(part);
        const int read =
            am_decode_range(stored, bytes, head.dictionary != 0 ? dictionary : NULL, from, some, part);
        EXPECT(read == 0 && memcmp(some, raw + from, part) == 0 && guarded(some, part),
               "%zu at %zu of %zu: %d", part, from, length, read);
        EXPECT(am_decode_range(stored, bytes, dictionary, from, some, length - from + 1) == AM_EINVAL,
               "a range that is not there");
        free(some);
    }
    free(stored);
    free(back);
    return head.coding;
}

static void sizes(void)
{
    static const size_t lengths[] = {0,
                                     1,
                                     2,
                                     11,
                                     15,
                                     16,
                                     17,
                                     63,
                                     64,
                                     1000,
                                     4096,
                                     65536,
                                     AM_FRAME - 1,
                                     AM_FRAME,
                                     AM_FRAME + 1,
                                     2 * AM_FRAME - 1,
                                     2 * AM_FRAME,
                                     2 * AM_FRAME + 1,
                                     3 * AM_FRAME + 12345};
    uint8_t *text = malloc(3 * AM_FRAME + 12345), *noise = malloc(3 * AM_FRAME + 12345);
    if (text == NULL || noise == NULL)
        exit(1);
    made_text(&made, text, 3 * AM_FRAME + 12345);
    made_noise(&made, noise, 3 * AM_FRAME + 12345);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t length = lengths[i];
        const int coding = round_trip(text, length, NULL, AM_LEVEL, NULL, 0);
        EXPECT((length < 1000 || coding == AM_FRAMES) && (length > 2 || coding == AM_PLAIN),
               "%zu of text: coding %d", length, coding);
        EXPECT(round_trip(noise, length, NULL, AM_LEVEL, NULL, 0) == AM_PLAIN, "%zu of noise shrank", length);
        if (length <= 65536)
            for (int level = -3; level < 25; level += 4)
                round_trip(text, length, NULL, level, NULL, 0);
        const int delta = round_trip(text, length, NULL, 0, text, length < 10000 ? 20000 : 1000000);
        EXPECT(length < 1000 || delta == AM_DELTA, "%zu against itself: coding %d", length, delta);
        round_trip(text, length, NULL, 0, noise, 1000);
        EXPECT(round_trip(noise, length, NULL, 0, text, 1000) == AM_PLAIN, "%zu of noise with a base shrank",
               length);
    }
    /* The last frame alone shrinks: the whole does. A half of noise: it does, by half. */
    memset(noise, 'x', 2 * AM_FRAME);
    EXPECT(round_trip(noise, 3 * AM_FRAME, NULL, AM_LEVEL, NULL, 0) == AM_FRAMES,
           "two frames of x and one of noise");
    free(text);
    free(noise);
}

/* What takes the place of a date in a prompt, and what of ten megabytes with an edit in every sixteenth of
 * them. */
static void deltas(void)
{
    enum { PROMPT = 62000, LARGE = 10000000 };
    uint8_t *prompt = malloc(LARGE), *variant = malloc(LARGE), *stored = malloc(am_stored_bound(LARGE));
    if (prompt == NULL || variant == NULL || stored == NULL)
        exit(1);
    made_text(&made, prompt, LARGE);
    memcpy(variant, prompt, PROMPT);
    memcpy(variant + 9000, "2026-11-20", 10);
    const size_t small = am_encode_delta(variant, PROMPT, prompt, PROMPT, base_id, stored);
    EXPECT(small < 200, "a date takes %zu bytes", small);
    memcpy(variant, prompt, LARGE);
    for (size_t i = 0; i < 16; i++)
        made_noise(&made, variant + i * (LARGE / 16) + 777, 40);
    const size_t large = am_encode_delta(variant, LARGE, prompt, LARGE, base_id, stored);
    EXPECT(large < 6000, "sixteen edits in ten megabytes take %zu bytes", large);
    EXPECT(round_trip(variant, LARGE, NULL, 0, prompt, LARGE) == AM_DELTA, "ten megabytes");
    free(prompt);
    free(variant);
    free(stored);
}

/* Every way to cut it short, every bit turned, other bases and dictionaries: refused, or the very same
 * bytes. */
static void corruption(const char *what, const uint8_t *stored, size_t bytes, const uint8_t *raw,
                       size_t length, const uint8_t *base, size_t base_bytes,
                       const struct am_dictionary *dictionary)
{
    uint8_t *out = room(length), *bad = malloc(bytes + 1);
    if (bad == NULL)
        exit(1);
    EXPECT(am_decode(stored, bytes, base, base_bytes, dictionary, out, length) == 0, "%s: whole", what);
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *shorter = malloc(cut + 1); /* its own, so that a byte read past it is noticed */
        if (shorter == NULL)
            exit(1);
        memcpy(shorter, stored, cut);
        const int status = am_decode(shorter, cut, base, base_bytes, dictionary, out, length);
        EXPECT(status == AM_ECORRUPT && guarded(out, length), "%s: cut at %zu of %zu: %d", what, cut, bytes,
               status);
        free(shorter);
    }
    memcpy(bad, stored, bytes);
    bad[bytes] = 0;
    EXPECT(am_decode(bad, bytes + 1, base, base_bytes, dictionary, out, length) == AM_ECORRUPT, "%s: longer",
           what);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const int status = am_decode(bad, bytes, base, base_bytes, dictionary, out, length);
        /* Only the level and the name of the base say nothing about the bytes. */
        EXPECT(status == AM_ECORRUPT || (status == 0 && memcmp(out, raw, length) == 0), "%s: bit %zu: %d",
               what, bit, status);
        EXPECT(guarded(out, length), "%s: bit %zu wrote past the room", what, bit);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    EXPECT(am_decode(stored, bytes, base, base_bytes, dictionary, out, length - 1) == AM_ECORRUPT, "%s: room",
           what);
    free(out);
    free(bad);
}

static struct am_dictionary *trained(uint32_t number)
{
    enum { COUNT = 400, LENGTH = 900 };
    static uint8_t samples[COUNT * LENGTH];
    size_t lengths[COUNT];
    made_text(&made, samples, sizeof samples);
    for (int i = 0; i < COUNT; i++)
        lengths[i] = LENGTH;
    return am_dictionary_train(samples, lengths, COUNT, number);
}

static void refusals(void)
{
    enum { LENGTH = 700, PARTS = 2 * AM_FRAME + 9 };
    uint8_t raw[LENGTH], variant[LENGTH], other[LENGTH], stored[LENGTH + 64], out[LENGTH];
    struct am_dictionary *first = trained(7), *second = trained(8);
    made_text(&made, raw, LENGTH);
    made_text(&made, other, LENGTH);
    memcpy(variant, raw, LENGTH);
    memcpy(variant + 300, "another date", 12);
    size_t bytes = am_encode(raw, LENGTH, NULL, AM_LEVEL, stored);
    corruption("frames", stored, bytes, raw, LENGTH, NULL, 0, NULL);
    EXPECT(am_decode(stored, bytes, NULL, 0, first, out, LENGTH) == AM_ECORRUPT,
           "a dictionary that was not used");
    bytes = am_encode(raw, 40, NULL, AM_LEVEL, stored);
    corruption("plain", stored, bytes, raw, 40, NULL, 0, NULL);
    bytes = am_encode_delta(variant, LENGTH, raw, LENGTH, base_id, stored);
    corruption("delta", stored, bytes, variant, LENGTH, raw, LENGTH, NULL);
    EXPECT(am_decode(stored, bytes, NULL, 0, NULL, out, LENGTH) == AM_ECORRUPT, "no base");
    EXPECT(am_decode(stored, bytes, raw, LENGTH - 1, NULL, out, LENGTH) == AM_ECORRUPT, "a shorter base");
    EXPECT(am_decode(stored, bytes, other, LENGTH, NULL, out, LENGTH) == AM_ECORRUPT, "another base");
    EXPECT(am_decode_range(stored, bytes, NULL, 0, out, 1) == AM_EINVAL, "a part of a delta");
    if (first == NULL || second == NULL) {
        EXPECT(false, "no dictionary");
        return;
    }
    bytes = am_encode(raw, LENGTH, first, AM_LEVEL, stored);
    corruption("dictionary", stored, bytes, raw, LENGTH, NULL, 0, first);
    EXPECT(am_decode(stored, bytes, NULL, 0, NULL, out, LENGTH) == AM_ECORRUPT, "no dictionary");
    EXPECT(am_decode(stored, bytes, NULL, 0, second, out, LENGTH) == AM_ECORRUPT, "another dictionary");
    stored[4] = 8; /* says the other's number: the bytes tell */
    EXPECT(am_decode(stored, bytes, NULL, 0, second, out, LENGTH) == AM_ECORRUPT,
           "another dictionary by number");
    am_dictionary_free(first);
    am_dictionary_free(second);

    /* A table that lies, in a unit of three frames. */
    uint8_t *text = malloc(PARTS), *large = malloc(am_stored_bound(PARTS)), *back = room(PARTS);
    if (text == NULL || large == NULL)
        exit(1);
    made_text(&made, text, PARTS);
    bytes = am_encode(text, PARTS, NULL, 1, large);
    for (size_t at = 0; at < AM_HEAD + 12; at++)
        for (int value = 0; value < 256; value += 51) {
            const uint8_t was = large[at];
            large[at] = (uint8_t)(was + value);
            const int status = am_decode(large, bytes, NULL, 0, NULL, back, PARTS);
            EXPECT(status == (value == 0 || at == 1 ? 0 : AM_ECORRUPT) || (at == 1 && status == AM_ECORRUPT),
                   "byte %zu more by %d: %d", at, value, status);
            EXPECT(guarded(back, PARTS), "byte %zu more by %d wrote past the room", at, value);
            large[at] = was;
        }
    free(text);
    free(large);
    free(back);
}

int main(void)
{
    sizes();
    deltas();
    refusals();
    return failures != 0;
}
