/* A pack for tests, written by the writer and read into memory; and the end of a changed one made right
 * again. */
#ifndef MADE_PACK_H
#define MADE_PACK_H

#include "blake3.h"
#include "made_text.h"
#include "pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets of docs/formats/agentmem-pack.md, not those of the code. */
enum { PACK_HEAD = 48, PACK_ENTRY = 56, ENTRY_RAW = 8, ENTRY_STORED = 16, ENTRY_ID = 24, MADE_UNITS = 5 };

static inline void make_sure(int true_)
{
    if (!true_) {
        fprintf(stderr, "a pack for the test could not be made: %s\n", am_pack_error());
        exit(1);
    }
}

/* The whole file, in its own memory; free it. */
static inline uint8_t *pack_bytes(int fd, size_t *length)
{
    struct stat status;
    make_sure(fstat(fd, &status) == 0);
    *length = (size_t)status.st_size;
    uint8_t *bytes = malloc(*length + 1);
    make_sure(bytes != NULL && pread(fd, bytes, *length, 0) == status.st_size);
    return bytes;
}

/* A prompt, nothing, a tool result of a known realm, a conversation of those, and the conversation of that
 * and the prompt again: the root. raw is what the prompt says, of 600 bytes. */
static inline uint8_t *made_pack(size_t *length, uint8_t raw[600], am_id ids[MADE_UNITS])
{
    struct made made = {99};
    struct am_pack_writer *writer = NULL;
    am_piece pieces[3] = {{.length = 600,
                           .messages = 1,
                           .pieces = 1,
                           .type = AM_SYSTEM_PROMPT,
                           .form = AM_RAW,
                           .flags = AM_MESSAGE_START},
                          {.length = 0, .pieces = 1, .type = AM_TOOL_RESULT, .form = AM_RAW},
                          {.length = 70, .pieces = 1, .type = AM_TOOL_RESULT, .form = AM_RAW}};
    const am_id known = {{0xaa, 0xbb, 0xcc}};
    const int fd = memfd_create("pack", MFD_CLOEXEC);
    made_text(&made, raw, 600);
    make_sure(fd >= 0 && am_pack_create(fd, &writer) == 0);
    make_sure(am_pack_add(writer, AM_SYSTEM_PROMPT, AM_RAW, false, raw, 600, &ids[0]) == 0);
    make_sure(am_pack_add(writer, AM_TOOL_RESULT, AM_RAW, false, NULL, 0, &ids[1]) == 0);
    make_sure(am_pack_add_known(writer, AM_TOOL_RESULT, AM_RAW, &known, 70, &ids[2]) == 0);
    for (int i = 0; i < 3; i++)
        pieces[i].id = ids[i];
    make_sure(am_pack_add(writer, AM_CONVERSATION, AM_ROPE, false, pieces, sizeof pieces, &ids[3]) == 0);
    pieces[1] = (am_piece){
        .id = ids[3], .length = 670, .messages = 1, .pieces = 3, .type = AM_CONVERSATION, .form = AM_ROPE};
    make_sure(am_pack_add(writer, AM_CONVERSATION, AM_ROPE, true, pieces, 2 * sizeof *pieces, &ids[4]) == 0);
    make_sure(am_pack_finish(writer) == 0);
    uint8_t *bytes = pack_bytes(fd, length);
    close(fd);
    return bytes;
}

/* The checksum that these bytes ought to have. */
static inline void seal_pack(uint8_t *bytes, size_t length)
{
    struct am_blake3 hash;
    am_blake3_start(&hash);
    am_blake3_update(&hash, bytes, length - 32);
    am_blake3_finish(&hash, bytes + length - 32);
}

#endif
