/* The way through a segment of an earlier process by the marks of its records.
 *
 * Reads marks, not payloads: from a believable mark the next one is known, and where there is none every step
 * of 64 bytes is tried. Knows nothing of media but how bytes are looked at; buffer and offsets are aligned
 * for O_DIRECT. Invariant: what becomes an entry lies wholly inside the segment, no two entries overlap, and
 * a segment of which a part could not be read is `uncut`. Memory: one window, and 24 bytes for each record.
 */
#include "agentmem.h"
#include "log_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define LARGE (256u * 1024u) /* read at once while records follow closely */
#define SMALL (2 * BLOCK)    /* after a jump: a mark may begin at a block's end */

struct window {
    struct am_log *log;
    struct am_segment *segment;
    uint8_t *bytes;
    uint64_t from, length; /* what is in it */
};

static ssize_t peek(const struct window *window, uint8_t *bytes, uint64_t count, uint64_t at)
{
    struct am_segment *segment = window->segment;
    if (window->log->medium->peek != NULL)
        return (ssize_t)window->log->medium->peek(window->log, segment, bytes, count, at);
    return pread(segment->fd, bytes, count, (off_t)at);
}

/* 128 bytes (fewer at the end: zeros behind it) at `at`; NULL at the end of the file. Unreadable blocks are
 * zeros. */
static const uint8_t *look(struct window *window, uint64_t at, uint64_t end)
{
    if (at >= end)
        return NULL;
    if (at >= window->from && (at + AM_MARK_BYTES <= window->from + window->length ||
                               window->from + window->length >= end))
        return window->bytes + (at - window->from);
    const bool near = at <= window->from + window->length;
    const uint64_t from = at / BLOCK * BLOCK, most = near ? LARGE : SMALL;
    uint64_t got = 0;
    memset(window->bytes, 0, most + AM_MARK_BYTES);
    while (got < most && from + got < end) {
        const ssize_t n = peek(window, window->bytes + got, most - got, from + got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        if (n > 0) {
            got += (uint64_t)n;
        } else if (got == 0) {
            got = BLOCK; /* unreadable: zeros, which are no record */
            window->segment->uncut = true;
            window->log->hidden += BLOCK / AM_MARK_BYTES;
        } else {
            break;
        }
        if (got % BLOCK != 0)
            break; /* the end of the file */
    }
    window->from = from;
    window->length = from + got > end ? end - from : got;
    return at < window->from + window->length ? window->bytes + (at - window->from) : NULL;
}

static bool zeros(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The next place that may hold something: holes of a sparse file are passed over. */
static uint64_t past_hole(const struct window *window, uint64_t at, uint64_t end)
{
    const off_t data = lseek(window->segment->fd, (off_t)at, SEEK_DATA); /* of a bare disk: EBADF */
    if (data < 0)
        return errno == ENXIO ? end : at; /* ENXIO: nothing but a hole to the end */
    return (uint64_t)data > at ? (uint64_t)data / AM_STEP * AM_STEP : at;
}

int am_log_index(struct am_log *log, struct am_segment *segment)
{
    struct window window = {.log = log, .segment = segment};
    const uint64_t end = segment->bytes;
    if (posix_memalign((void **)&window.bytes, BLOCK, LARGE + BLOCK) != 0)
        return AM_ENOMEM;
    int status = 0;
    uint64_t at = log->first;
    segment->end = at;
    for (const uint8_t *bytes; status == 0 && (bytes = look(&window, at, end)) != NULL;) {
        struct am_mark mark;
        struct am_log_head head;
        memcpy(&mark, bytes, sizeof mark);
        if (am_mark_believed(&mark, segment->number, at, segment->salt) &&
            mark.payload_bytes <= end && am_record_bytes(mark.payload_bytes) <= end - at) {
            if (!am_segment_reserve(segment)) {
                status = AM_ENOMEM;
                break;
            }
            am_mark_head(&mark, &head);
            am_segment_add(segment, &head, at);
            segment->junk_end = 0;
            if (head.sequence > log->sequence)
                log->sequence = head.sequence;
            at = segment->end;
            continue;
        }
        const uint64_t step = end - at < AM_STEP ? end - at : AM_STEP;
        if (!zeros(bytes, step))
            segment->junk_end = at + step;
        at += step;
        if (at % BLOCK == 0)
            at = past_hole(&window, at, end);
    }
    free(window.bytes);
    return status;
}
