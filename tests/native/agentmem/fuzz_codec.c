/* Any bytes as a stored unit: the decoder gives exactly what the head says or refuses, and writes nothing
 * past its room. What it accepts, a part of it can be read as well, with the same bytes. Any bytes as
 * content: they come back as they were, however they are coded.
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the
 * program makes its own bytes, the same in every run; or replays the files that it is given. */
#include "agentmem.h"
#include "codec.h"
#include "fuzz_files.h"
#include "made_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { BASE = 3000, SAMPLES = 100, LARGEST = 4 << 20 };
static uint8_t base[BASE];
static struct am_dictionary *dictionary;

static void prepare(void)
{
    static uint8_t samples[SAMPLES * 500];
    size_t lengths[SAMPLES];
    struct made made = {5};
    made_text(&made, base, BASE);
    made_text(&made, samples, sizeof samples);
    for (int i = 0; i < SAMPLES; i++)
        lengths[i] = 500;
    dictionary = am_dictionary_train(samples, lengths, SAMPLES, 1);
    if (dictionary == NULL)
        abort();
}

static void there_and_back(const uint8_t *data, size_t size)
{
    uint8_t *stored = malloc(am_stored_bound(size)), *back = malloc(size + 1);
    if (stored == NULL || back == NULL)
        abort();
    for (int way = 0; way < 3; way++) {
        const struct am_dictionary *with = way == 1 ? dictionary : NULL;
        const size_t bytes = way < 2 ? am_encode(data, size, with, AM_LEVEL, stored)
                                     : am_encode_delta(data, size, base, BASE, base, stored);
        struct am_stored head;
        if (bytes == 0 || bytes > am_stored_bound(size) || am_stored_head(stored, bytes, &head) != 0)
            abort();
        if (am_decode(stored, bytes, head.coding == AM_DELTA ? base : NULL, BASE,
                      head.dictionary != 0 ? with : NULL, back, size) != 0 ||
            (size > 0 && memcmp(back, data, size) != 0))
            abort();
    }
    free(stored);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct am_stored head;
    if (dictionary == NULL)
        prepare();
    there_and_back(data, size);
    if (am_stored_head(data, size, &head) != 0 || head.raw_bytes > LARGEST)
        return 0;
    const size_t length = (size_t)head.raw_bytes;
    uint8_t *out = malloc(length + 1), *part = malloc(length + 1);
    if (out == NULL || part == NULL)
        abort();
    out[length] = part[length] = 0xa5;
    const struct am_dictionary *with = head.dictionary != 0 ? dictionary : NULL;
    const int status = am_decode(data, size, head.coding == AM_DELTA ? base : NULL, BASE, with, out, length);
    if ((status != 0 && status != AM_ECORRUPT) || out[length] != 0xa5)
        abort();
    const size_t from = length / 3, some = length / 2;
    if (status == 0 && head.coding != AM_DELTA &&
        (am_decode_range(data, size, with, from, part, some) != 0 || memcmp(part, out + from, some) != 0))
        abort();
    if (part[length] != 0xa5)
        abort();
    free(out);
    free(part);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
/* Stored units with some bytes of them changed, cut or put in: near enough to right ones to be read far. */
static void made_units(void)
{
    enum { ROUNDS = 4000, LENGTH = 2500 };
    static uint8_t raw[LENGTH], stored[LENGTH + 64];
    struct made made = {11};
    for (int round = 0; round < ROUNDS; round++) {
        const size_t length = made_number(&made, LENGTH);
        made_text(&made, raw, length);
        size_t bytes = round % 3 == 0   ? am_encode_delta(raw, length, base, BASE, raw, stored)
                       : round % 3 == 1 ? am_encode(raw, length, dictionary, 1 + round % 9, stored)
                                        : am_encode(raw, length, NULL, 1 + round % 9, stored);
        for (size_t changes = made_number(&made, 4); changes > 0; changes--) {
            const size_t at = made_number(&made, bytes);
            stored[made_number(&made, 2) ? at : at % 20] = (uint8_t)made_number(&made, 256);
        }
        if (made_number(&made, 4) == 0)
            bytes = made_number(&made, bytes + 1);
        uint8_t *own = malloc(bytes + 1); /* so that a byte read past it is noticed */
        if (own == NULL)
            abort();
        memcpy(own, stored, bytes);
        LLVMFuzzerTestOneInput(own, bytes);
        free(own);
    }
}

int main(int count, char **names)
{
    prepare();
    if (count == 1)
        made_units();
    const int status = fuzz_files(count, names);
    am_dictionary_free(dictionary);
    return status;
}
#endif
