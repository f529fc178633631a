/* An append-only log of records: the warm tier (in memfds) and the cold tier (in files, O_DIRECT) are each
 * one.
 *
 * A record is a head of 128 bytes, the payload, and zeros up to a multiple of 64 bytes. The head has the
 * magic, the kind, lengths, a sequence number, the unit's id, its place, and a tag: the first 16 bytes of
 * BLAKE3 over the head without the tag and the payload. What has not its tag is not a record: replay stops a
 * segment at its torn tail, names what lies broken in the middle with segment and offset, and goes on behind
 * it. Format: docs/formats/agentmem-log.md.
 *
 * Records live in segments (16 MiB in memory, 64 MiB on disk; a larger record has a segment of its own). A
 * record is dropped by am_log_drop, which only counts; am_log_compact copies the living out of the segment
 * with the least life and gives the segment back.
 *
 * A death is itself a record: AM_RECORD_GONE for a unit, and for every other kind a record of that kind with
 * importance 0xffff. It speaks of the older records of the same kind, realm, space and id. Deaths are the
 * log's own business: it keeps each one as long as an older record of what it speaks of lies in another
 * segment, and no longer; they are visited by a scan, but neither dropped nor asked about by the caller.
 *
 * Threads: append, drop, compact, scan, sync and close from one thread; am_log_read and am_log_read_many from
 * any, also while the others run. An address that was dropped, or that compaction has replaced, reads as its
 * record as long as the segment is there, and is AM_ENOTFOUND afterwards, never another record. Crash: after
 * am_log_sync returns, everything appended before it survives a power cut; before, any part of it may be
 * missing, nothing else. What a killed process left torn at the very end is no damage, and goes before
 * anything is appended behind it.
 */
#ifndef AM_LOG_H
#define AM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum am_record_kind {
    AM_RECORD_UNIT = 1,   /* payload: struct am_stored and what follows it (codec.h) */
    AM_RECORD_GONE = 2,   /* the unit of this id in this space is no more */
    AM_RECORD_DICTIONARY = 3,
    AM_RECORD_AGENT = 4,  /* payload: what the broker writes of a durable agent (store.h) */
    AM_RECORD_HEAD = 5,   /* a head's name and what it points at */
    AM_RECORD_REALM = 6,
    AM_RECORD_OWN = 7,    /* the agent of this space owns the unit of this id; importance 0xfffe: no longer */
};

struct am_log_head {      /* what the caller says of a record; 96 bytes */
    uint8_t id[32];
    uint64_t payload_bytes;
    uint64_t sequence;    /* given by the log: larger is later */
    uint64_t time_ms;     /* wall clock, of the unit's last use */
    uint32_t realm;
    uint32_t space;
    uint32_t base_or_number; /* what the kind needs */
    uint16_t importance;
    uint8_t kind, type, form, zero[23];
};

struct am_log;
struct am_log_stats {
    uint64_t bytes, live_bytes, records, live_records, segments, broken, appended_bytes, compacted_bytes;
};

/* A log in memory. fds: segments of an earlier process to take over (their records are found and count as
 * alive), count 0 for none. On success the log owns all of them, and has closed those that are no segments of
 * a log (stats.broken); on failure they are the caller's. */
int am_log_open_memory(const int *fds, size_t count, struct am_log **log);
/* A log on disk, in this folder (made if it is not there, 0700); its records are found and count as alive.
 * limit: bytes that it may take, 0 for what the disk has; a segment's worth of it is kept for compaction, and
 * segments are a sixteenth of it where that is less than 64 MiB. uring: use io_uring where the kernel has it
 * and lets us. AM_EBUSY: a process has this log open; AM_EDISK: the folder cannot be used; AM_EFILES;
 * AM_ENOMEM. */
int am_log_open_disk(const char *folder, uint64_t limit, bool uring, struct am_log **log);
/* Makes an empty log of a bare disk (blocks.h): cuts it into slots of a segment's size, a sixteenth of the
 * disk or the limit, 1 to 64 MiB. A disk that holds anything is refused unless told to erase it; errors are
 * am_slots_make's (log_slots.h). The blocks stay the caller's. */
struct am_blocks;
int am_log_take_blocks(struct am_blocks *blocks, uint64_t limit, bool erase);
/* The log on a bare disk, which it owns from now on, also when this fails. AM_EDISK and an errno of
 * am_slots_open, or ERANGE: the limit is below four slots of this disk. A disk that does not answer is an
 * error here, never a log with holes. */
int am_log_open_blocks(struct am_blocks *blocks, uint64_t limit, struct am_log **log);
/* The same on an NVMe disk that the kernel has let go, by the driver in unvme: where is like
 * nvme:0000:00:04.0, or nvme:0000:00:04.0/2 for its second namespace. why: what is wrong, in words; of a disk
 * that was taken, which one it is. erase: the serial number of the disk that may be erased; NULL: none. */
int am_log_take_nvme(const char *where, uint64_t limit, const char *erase, char *why, size_t room);
int am_log_open_nvme(const char *where, uint64_t limit, struct am_log **log, char *why, size_t room);
bool am_log_nvme_address(const char *where, char address[16]); /* false: it cannot be one */
void am_log_close(struct am_log *log); /* without sync */

/* The memory log's segments, so that they can be kept by another process: how many there are, of which at
 * most `room` are written to fds. They are the log's own: do not close. */
size_t am_log_fds(const struct am_log *log, int *fds, size_t room);

/* 0 and the record's address (never 0), AM_ENOMEM, AM_EFILES, AM_EDISK (full: the limit or the disk; nothing
 * was written that counts), AM_EINVAL (no kind, or a payload above AM_LARGEST_UNIT). The head's sequence is
 * not looked at. */
int am_log_append(struct am_log *log, const struct am_log_head *head, const void *payload, uint64_t *address);
/* The head (payload NULL; may itself be NULL) or head and payload. Checks the tag when the payload is read.
 * AM_ENOTFOUND, AM_ESIZE (more payload than room), AM_ECORRUPT, AM_EDISK (the disk does not give it back),
 * AM_ENOMEM. */
int am_log_read(struct am_log *log, uint64_t address, struct am_log_head *head, void *payload, size_t room);
struct am_log_want { uint64_t address; struct am_log_head head; void *payload; size_t room; int status; };
void am_log_read_many(struct am_log *log, struct am_log_want *wants, size_t count); /* many reads in flight */
void am_log_drop(struct am_log *log, uint64_t address);
int am_log_sync(struct am_log *log); /* AM_EDISK: what was appended since the last one may not survive */

/* Every readable record that was not dropped, in order of sequence and each once: for replay and am_fsck.
 * visit returns 0 to go on, anything else is returned by the scan; it may drop and read. The payload is valid
 * during the call, NULL when it has no bytes. broken (may be NULL) is called for each unreadable place; what
 * is AM_LOG_TORN for the last record before a crash, which no sync had covered: no damage, and not counted in
 * stats.broken. The first append after a scan takes it off; a scan by itself changes nothing. An unreadable
 * record counts as dead from then on. */
extern const char AM_LOG_TORN[];
typedef int am_log_visit(void *context, uint64_t address, const struct am_log_head *head,
                         const void *payload);
typedef void am_log_broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes,
                           const char *what);
int am_log_scan(struct am_log *log, am_log_visit *visit, am_log_broken *broken, void *context);
/* After an open the log counts every record as alive; drop what is not. */

/* One step of compaction when a segment is less than half alive (in memory: three quarters): moves about
 * `bytes`. moved tells each record's new address; it returns false when the record is not wanted any more.
 * Returns the bytes moved (1 when segments were given back without a move), 0 when nothing is to do, or an
 * error. Waits for the disk when a segment is finished. A living record that cannot be read stays where it
 * is, counted in stats.broken, until it is dropped. */
typedef bool am_log_moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to);
int64_t am_log_compact(struct am_log *log, uint64_t bytes, am_log_moved *moved, void *context);
void am_log_stats(const struct am_log *log, struct am_log_stats *stats);

#endif
