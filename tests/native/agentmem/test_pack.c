/* What a pack holds comes out of it, and one that was cut, changed or made to lie is refused before its first
 * entry. */
#include "made_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

static int failures;

#define EXPECT(true_, ...) \
    do { \
        if (!(true_)) { \
            fprintf(stderr, "%s:%d: ", __func__, __LINE__); \
            fprintf(stderr, __VA_ARGS__); \
            fprintf(stderr, " (%s)\n", am_pack_error()); \
            failures++; \
        } \
    } while (0)

static void read_back(void)
{
    static const uint8_t types[] = {AM_SYSTEM_PROMPT, AM_TOOL_RESULT, AM_TOOL_RESULT, AM_CONVERSATION,
                                    AM_CONVERSATION};
    static const uint64_t lengths[] = {600, 0, 70, 192, 128};
    uint8_t raw[600], out[600];
    am_id ids[MADE_UNITS], id;
    size_t length;
    uint8_t *bytes = made_pack(&length, raw, ids);
    struct am_pack_reader *reader = NULL;
    struct am_pack_entry entry;
    EXPECT(am_pack_open(bytes, length, &reader) == 0, "a whole pack is refused");
    for (int i = 0; i < MADE_UNITS; i++) {
        EXPECT(am_pack_next(reader, &entry) == 1, "entry %d is missing", i);
        EXPECT(memcmp(&entry.id, &ids[i], sizeof id) == 0 && entry.type == types[i] &&
                   entry.raw_bytes == lengths[i] && entry.form == (i < 3 ? AM_RAW : AM_ROPE) &&
                   entry.root == (i == 4) && entry.known == (i == 2),
               "entry %d is another", i);
        if (entry.known) {
            EXPECT(am_pack_decode(&entry, out, sizeof out) == AM_ENOTFOUND, "bytes that are not there");
            continue;
        }
        EXPECT(am_pack_decode(&entry, out, sizeof out) == 0, "entry %d cannot be decoded", i);
        am_unit_id(am_pack_key(reader), entry.type, entry.form, out, (size_t)entry.raw_bytes, id.bytes);
        EXPECT(memcmp(&id, &entry.id, sizeof id) == 0, "the id of entry %d is not that of its bytes", i);
        EXPECT(i != 0 || memcmp(out, raw, 600) == 0, "the prompt is another");
        EXPECT(entry.raw_bytes == 0 || am_pack_decode(&entry, out, (size_t)entry.raw_bytes - 1) == AM_ESIZE,
               "too little room");
    }
    EXPECT(am_pack_next(reader, &entry) == 0 && am_pack_next(reader, &entry) == 0,
           "more entries than were added");
    am_pack_close(reader);
    am_pack_close(NULL);
    free(bytes);
}

static void refused(const uint8_t *bytes, size_t length, const char *says, const char *what, size_t at)
{
    struct am_pack_reader *reader = NULL;
    uint8_t *own = malloc(length + 1); /* so that a byte read past it is noticed */
    make_sure(own != NULL);
    memcpy(own, bytes, length);
    const int status = am_pack_open(own, length, &reader);
    EXPECT(status == AM_ECORRUPT && reader == NULL, "%s at %zu: %d", what, at, status);
    EXPECT(strstr(am_pack_error(), says) != NULL, "%s at %zu does not say \"%s\"", what, at, says);
    if (status == 0)
        am_pack_close(reader);
    free(own);
}

static void damage(void)
{
    uint8_t raw[600];
    am_id ids[MADE_UNITS];
    size_t length;
    uint8_t *bytes = made_pack(&length, raw, ids);
    for (size_t cut = 0; cut < length; cut++)
        refused(bytes, cut, "byte", "cut", cut);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused(bytes, length, "byte", "a bit", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
}

/* Offset of the n-th entry. */
static size_t entry_at(const uint8_t *bytes, int n)
{
    size_t at = PACK_HEAD;
    for (uint64_t stored; n > 0; n--, at += PACK_ENTRY + (size_t)stored)
        memcpy(&stored, bytes + at + ENTRY_STORED, sizeof stored);
    return at;
}

/* Packs whose checksum is right and whose words are not. */
static void lies(void)
{
    uint8_t raw[600];
    am_id ids[MADE_UNITS];
    size_t length;
    uint8_t *bytes = made_pack(&length, raw, ids), *lying = malloc(length + 64);
    make_sure(lying != NULL);
    const size_t end = length - PACK_ENTRY, second = entry_at(bytes, 1), third = entry_at(bytes, 2);
    const struct {
        size_t at;
        uint8_t value;
        const char *says;
    } changes[] = {
        {0, 'B', "AMPACK01"},
        {8, 2, "version 2"},
        {12, 1, "flags 1"},
        {end, 1, "no end"},
        {end + 1, 1, "no end"},
        {end + 4, 1, "no end"},
        {end + ENTRY_STORED, 1, "no end"},
        {end + ENTRY_RAW, MADE_UNITS - 1, "4 entries, but has 5"},
        {end + ENTRY_RAW, MADE_UNITS + 1, "6 entries"},
        {second, 9, "no entry"},
        {second, 3, "no entry"},
        {second + 3, 2, "no entry"},
        {second + 4, 1, "no entry"},
        {second + 1, 0, "no unit has"},
        {second + 1, 6, "no unit has"},
        {second + 2, 3, "no unit has"},
        {second + ENTRY_RAW, 1, "another way or length"},
        {second + ENTRY_RAW + 7, 1, "no unit has"},
        {second + ENTRY_STORED, 1, "another way or length"},
        {second + ENTRY_STORED + 7, 0xff, "longer than the pack"},
        {second + PACK_ENTRY, 2, "another way or length"}, /* a DELTA */
        {third + ENTRY_STORED, 1, "longer than the pack"}, /* bytes of a known one */
        {third + ENTRY_ID, 1, "piece 2 of the rope"},      /* so that the rope names one that is not there */
        {third + 1, AM_TOOL_DEF, "another type or form"},
        {third + ENTRY_RAW, 71, "another length"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        memcpy(lying, bytes, length);
        lying[changes[i].at] = changes[i].value;
        seal_pack(lying, length);
        refused(lying, length, changes[i].says, "a changed byte", changes[i].at);
    }
    /* The rope before its last piece; a unit twice; bytes before the end; nothing but a head and an end. */
    const size_t fourth = entry_at(bytes, 3), fifth = entry_at(bytes, 4);
    memcpy(lying, bytes, length);
    memcpy(lying + third, bytes + fourth, fifth - fourth);
    memcpy(lying + third + (fifth - fourth), bytes + third, fourth - third);
    seal_pack(lying, length);
    refused(lying, length, "not among the entries before it", "a rope first", third);
    memcpy(lying, bytes, length);
    memcpy(lying + third + ENTRY_ID, bytes + second + ENTRY_ID, 32);
    seal_pack(lying, length);
    refused(lying, length, "second time", "an id twice", third);
    memcpy(lying, bytes, end);
    memset(lying + end, 0, 8);
    memcpy(lying + end + 8, bytes + end, PACK_ENTRY);
    seal_pack(lying, length + 8);
    refused(lying, length + 8, "no room for an entry", "eight bytes more", end);
    memcpy(lying, bytes, PACK_HEAD);
    memcpy(lying + PACK_HEAD, bytes + end, PACK_ENTRY);
    lying[PACK_HEAD + ENTRY_RAW] = 0;
    seal_pack(lying, PACK_HEAD + PACK_ENTRY);
    struct am_pack_reader *reader = NULL;
    struct am_pack_entry entry;
    EXPECT(am_pack_open(lying, PACK_HEAD + PACK_ENTRY, &reader) == 0 && am_pack_next(reader, &entry) == 0,
           "an empty pack");
    am_pack_close(reader);
    free(bytes);
    free(lying);
}

static void writing(void)
{
    struct am_pack_writer *writer = NULL;
    am_id id, again;
    const am_piece piece = {.length = 5, .pieces = 1, .type = AM_TOOL_DEF, .form = AM_RAW};
    const int fd = memfd_create("pack", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    make_sure(fd >= 0 && am_pack_create(fd, &writer) == 0);
    make_sure(am_pack_add(writer, AM_TOOL_DEF, AM_RAW, false, "tool!", 5, &id) == 0);
    EXPECT(am_pack_add(writer, AM_TOOL_DEF, AM_RAW, false, "tool!", 5, &again) == 0 &&
               memcmp(&id, &again, sizeof id) == 0,
           "the same unit has two ids");
    EXPECT(am_pack_finish(writer) == 0, "a unit that came twice");
    size_t length;
    uint8_t *bytes = pack_bytes(fd, &length);
    struct am_pack_reader *reader = NULL;
    struct am_pack_entry entry;
    EXPECT(am_pack_open(bytes, length, &reader) == 0 && am_pack_next(reader, &entry) == 1 &&
               am_pack_next(reader, &entry) == 0,
           "a unit that came twice stands there twice");
    am_pack_close(reader);
    free(bytes);

    /* A rope before its piece: refused, and what is written of the pack is none. */
    make_sure(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && am_pack_create(fd, &writer) == 0);
    EXPECT(am_pack_add(writer, AM_CONVERSATION, AM_ROPE, true, &piece, sizeof piece, &id) == AM_EINVAL,
           "a rope");
    EXPECT(strstr(am_pack_error(), "piece 0") != NULL, "which piece is not said");
    EXPECT(am_pack_add(writer, AM_TOOL_DEF, AM_RAW, true, "tool!", 5, &id) == AM_EINVAL, "after a failure");
    EXPECT(am_pack_finish(writer) == AM_EINVAL, "the end of a pack that failed");
    bytes = pack_bytes(fd, &length);
    refused(bytes, length, "byte", "what is left of a failure", length);
    free(bytes);
    make_sure(am_pack_create(fd, &writer) == 0 && am_pack_add(writer, 3, 1, false, "tool!", 5, &id) == 0);
    EXPECT(am_pack_add(writer, 3, 1, true, "tool!", 5, &id) == AM_EINVAL, "a root that was none");
    am_pack_finish(writer);
    static const struct {
        uint8_t type, form;
        uint64_t bytes;
    } none[] = {{0, 1, 5}, {6, 1, 5}, {3, 0, 5}, {3, 3, 5}, {1, 2, 5}, {3, 1, AM_LARGEST_UNIT + 1}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        make_sure(am_pack_create(fd, &writer) == 0);
        EXPECT(am_pack_add(writer, none[i].type, none[i].form, false, "tool!", none[i].bytes, &id) ==
                   AM_EINVAL,
               "no unit %zu", i);
        am_pack_finish(writer);
    }
    close(fd);
    EXPECT(am_pack_create(fd, &writer) == AM_EDISK && strstr(am_pack_error(), strerror(EBADF)) != NULL,
           "no file");
    if (full >= 0) {
        EXPECT(am_pack_create(full, &writer) == AM_EDISK, "a full disk");
        close(full);
    }
}

/* More entries than a small table has room for, through a pipe. */
static void many(void)
{
    enum { COUNT = 3000 };
    int ends[2];
    struct am_pack_writer *writer = NULL;
    am_id id;
    make_sure(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= 0);
    make_sure(am_pack_create(ends[1], &writer) == 0);
    for (int i = 0; i < COUNT; i++)
        EXPECT(am_pack_add(writer, AM_KV_PAGE, AM_RAW, i == 7, &i, sizeof i, &id) == 0, "unit %d", i);
    EXPECT(am_pack_finish(writer) == 0, "three thousand units");
    close(ends[1]);
    uint8_t *bytes = malloc(1 << 20);
    make_sure(bytes != NULL);
    size_t length = 0;
    for (ssize_t part; (part = read(ends[0], bytes + length, (1 << 20) - length)) > 0;)
        length += (size_t)part;
    close(ends[0]);
    struct am_pack_reader *reader = NULL;
    struct am_pack_entry entry;
    EXPECT(am_pack_open(bytes, length, &reader) == 0, "three thousand units");
    for (int i = 0, value; i < COUNT; i++)
        EXPECT(am_pack_next(reader, &entry) == 1 && am_pack_decode(&entry, &value, sizeof value) == 0 &&
                   value == i && entry.root == (i == 7),
               "unit %d", i);
    am_pack_close(reader);
    free(bytes);
}

int main(void)
{
    read_back();
    damage();
    lies();
    writing();
    many();
    return failures != 0;
}
