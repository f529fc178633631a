/* Any bytes as a pack: refused with a text, or every entry can be asked for, in bounds and in order.
 *
 * The checksum of the whole is set right first, or nothing behind it would ever be read. With clang:
 * -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the program
 * makes its own bytes, the same in every run; or replays the files that it is given. */
#include "fuzz_files.h"
#include "made_pack.h"

enum { LARGEST = 4 << 20 };

static void open_it(const uint8_t *bytes, size_t size)
{
    struct am_pack_reader *reader = NULL;
    struct am_pack_entry entry;
    const int status = am_pack_open(bytes, size, &reader);
    if (status != 0) {
        if (status != AM_ECORRUPT || am_pack_error()[0] == 0)
            abort();
        return;
    }
    while (am_pack_next(reader, &entry) == 1) {
        const uint8_t *stored = entry.stored;
        if (stored < bytes || entry.stored_bytes > (size_t)(bytes + size - stored))
            abort();
        if (entry.raw_bytes > LARGEST)
            continue;
        uint8_t *out = malloc((size_t)entry.raw_bytes + 1);
        if (out == NULL)
            abort();
        am_pack_decode(&entry, out, (size_t)entry.raw_bytes);
        free(out);
    }
    am_pack_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *own = malloc(size + 1);
    if (own == NULL)
        abort();
    memcpy(own, data, size);
    open_it(own, size);
    if (size >= PACK_HEAD + PACK_ENTRY) {
        seal_pack(own, size);
        open_it(own, size);
    }
    free(own);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
/* A pack with some bytes changed, or a piece of it taken out or doubled. */
static void made_packs(void)
{
    uint8_t raw[600];
    am_id ids[MADE_UNITS];
    size_t length;
    uint8_t *bytes = made_pack(&length, raw, ids), *changed = malloc(2 * length);
    struct made made = {3};
    make_sure(changed != NULL);
    for (int round = 0; round < 5000; round++) {
        size_t size = length;
        memcpy(changed, bytes, length);
        for (size_t changes = 1 + made_number(&made, 3); changes > 0; changes--)
            changed[made_number(&made, length)] = (uint8_t)made_number(&made, 256);
        if (round % 4 == 0) {
            const size_t from = made_number(&made, length), part = made_number(&made, length - from);
            memmove(changed + from, changed + from + part, length - from - part);
            size = length - part;
        } else if (round % 4 == 1) {
            const size_t from = made_number(&made, length), part = made_number(&made, length - from);
            memmove(changed + from + part, changed + from, length - from);
            size = length + part;
        }
        LLVMFuzzerTestOneInput(changed, size);
    }
    free(bytes);
    free(changed);
}

int main(int count, char **names)
{
    if (count == 1)
        made_packs();
    return fuzz_files(count, names);
}
#endif
