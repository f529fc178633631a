/* The memory that a broker and its clients share: a realm's table of units, and each client's page of references.
 *
 * One table per realm, in one memfd that only the broker can map writable (F_SEAL_FUTURE_WRITE). It is sparse: what
 * has not been used takes no memory.
 *
 *   offset 0          struct am_header, one page
 *   AM_SEGMENTS_AT    uint32 generation of each segment number, AM_SEGMENTS of them; 0: never used
 *   AM_INDEX_AT       regions of the hash index, region k in entries [2^k, 2^(k+1)), for every k < AM_INDEX_LOG2
 *   AM_UNITS_AT       struct am_record, one for each unit number, AM_UNITS of them; number 0 is never used
 *
 * Index. Region `index_log2` is the current one: linear probing from the id's first eight bytes (little-endian)
 * modulo its size; an entry is (tag << 32 | unit number), tag the id's bytes 8 to 11, and 0 ends a chain. It grows by
 * filling the next region and then storing index_log2. A reader may therefore miss a unit that is there (a removal
 * shifts entries, an old region stands still); it never takes a wrong one, because the record holds the whole id.
 * A reader that misses asks the broker, whose answer is the truth.
 *
 * Records. `version` is even while the record is stable and odd while the broker changes it or asks whether it is
 * in use; every change leaves a larger even number. All other words are read relaxed between two loads of version.
 *
 * References (asymmetric hazard pointers). A reader stores the unit's number in a slot of its own page, then loads
 * version again: unchanged and even, the unit stays where it is until the slot is cleared. The broker makes the
 * version odd, issues membarrier(GLOBAL_EXPEDITED), and scans the pages; so a reader needs only a compiler barrier
 * between store and load. A reader whose process could not register for the barrier uses a full fence and says so
 * in its page (`fences`); that costs 5 ns and is otherwise the same.
 */
#ifndef AM_LAYOUT_H
#define AM_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#define AM_LAYOUT 1u
#define AM_MAGIC 0x31304d454d474100ull /* "\0AGMEM01" */

#define AM_SEGMENTS (1u << 16)
#define AM_INDEX_LOG2 23u /* regions 6..22 */
#define AM_INDEX_FIRST_LOG2 9u
#define AM_UNITS (1u << 22)

#define AM_SEGMENTS_AT 4096u
#define AM_INDEX_AT (AM_SEGMENTS_AT + AM_SEGMENTS * 4u)
#define AM_UNITS_AT (AM_INDEX_AT + (8ull << AM_INDEX_LOG2))
#define AM_TABLE_BYTES (AM_UNITS_AT + 64ull * AM_UNITS)

struct am_header {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_bytes;
    _Atomic uint64_t epoch;      /* of the broker process: changes with every start */
    _Atomic uint32_t index_log2; /* the current region */
    _Atomic uint32_t unit_high;  /* numbers below it have been used */
};

/* 64 bytes. place: segment number | generation << 32. size: length << 16 | type << 8 | form << 4 | state. */
struct am_record {
    _Atomic uint64_t version;
    _Atomic uint64_t id[4]; /* the id's bytes, little-endian words */
    _Atomic uint64_t place;
    _Atomic uint64_t offset; /* bytes from the segment's start */
    _Atomic uint64_t size;
};
_Static_assert(sizeof(struct am_record) == 64, "one cache line");

enum { AM_STATE_FREE = 0, AM_STATE_HOT = 1, AM_STATE_AWAY = 2 }; /* AWAY: warm or cold; the broker knows which */

/* A client's page: made and sealed (SHRINK|GROW) by the broker, mapped writable by both. Slot 0 is never used. */
#define AM_REFERENCES (1u << 18) /* at most; sparse */
#define AM_RECENT 1024u
struct am_page {
    _Atomic uint32_t high;   /* slots below it have been used: how far the broker scans */
    _Atomic uint32_t fences; /* 1: this client issues full fences */
    _Atomic uint32_t recent_at; /* counts acquires; the next goes to recent[recent_at % AM_RECENT] */
    uint32_t zero[13];
    _Atomic uint32_t recent[AM_RECENT]; /* numbers of units acquired lately: how the broker learns of use */
    _Atomic uint32_t slot[AM_REFERENCES]; /* a unit number, or 0 */
};

#endif
