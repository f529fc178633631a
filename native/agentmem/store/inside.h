/* What the files of the store share with each other and with nobody else. The public half is store.h. */
#ifndef AM_INSIDE_H
#define AM_INSIDE_H

#include <pthread.h>
#include <stdio.h>

#include "blake3.h"
#include "codec.h"
#include "layout.h"
#include "log.h"
#include "policy.h"
#include "store.h"

#define AM_REALMS 256u
#define AM_AGENTS (1u << 14)
#define AM_HEADS (1u << 16)
#define AM_EDGES (1u << 23)
#define AM_SEGMENT_BYTES (1u << 20) /* of a shared segment; a larger unit has a segment of its own */
#define AM_DICTIONARIES 8u          /* trained for one type in one realm, at most */

/* The rows of the state memfd. A row is free when its name has no bytes. */
struct am_realm_row {
    uint32_t bytes;
    char name[AM_NAME_BYTES];
};
struct am_agent_row {
    uint32_t bytes;
    char name[AM_NAME_BYTES];
    uint32_t realm, importance, durable, state;
    uint32_t serial; /* never used again: names its space in the cold log */
    int32_t pid;
    uint64_t pid_start, opened_ms, used_ms;
};
struct am_head_row {
    uint32_t bytes;
    char name[AM_NAME_BYTES];
    uint32_t agent, realm, unit;
};
/* One agent owns one unit: agent row << 40 | realm << 32 | unit number; 0: free (unit numbers begin at 1). */
typedef _Atomic uint64_t am_edge;

struct am_state {
    uint64_t magic;
    uint32_t layout, edge_high, agent_high, head_high, next_serial;
    uint64_t epoch;
    struct am_realm_row realms[AM_REALMS];
    struct am_agent_row agents[AM_AGENTS];
    struct am_head_row heads[AM_HEADS];
    am_edge edges[AM_EDGES];
};

/* What the broker alone knows of a unit: parallel to struct am_record, in a memfd of its own. */
struct am_meta {
    uint64_t warm, cold; /* address of its record in that log, plus 1; 0: none */
    uint64_t used_ms, before_ms;
    uint32_t warm_bytes, cold_bytes; /* of the record's payload */
    uint32_t base;                   /* a stored form leans on this unit; 0: none */
    uint32_t space;                  /* 0: the realm's; else an agent row plus 1 */
    uint32_t owners, parents;        /* parents: ropes and deltas that need it */
    uint8_t importance, lost;
    uint8_t folded, partial; /* AM_FOLD_*: see fold.c; AM_PARTIAL_*: see wanted.c */
    uint32_t fold_bytes;     /* of what is folded, before coding */
};
_Static_assert(sizeof(struct am_meta) == 64, "one cache line");

struct am_segment {
    int fd; /* -1: this number is free */
    uint8_t *base;
    uint64_t bytes, end, live; /* mapped; filled from the start; of units that are there */
    uint32_t space, units;
    bool own; /* it is one large unit */
    bool old; /* of the broker before: read-only */
};

/* What ropes hold, each rope and piece counted; shared: those pieces that are in the realm's space. */
struct am_held {
    uint64_t units, bytes, shared_bytes;
};
struct am_space_figures {
    struct am_tier_figures tier[4];
    struct am_type_figures type[6];
};
struct am_fold_tag {
    uint32_t tag, unit;
}; /* a folded piece's tag -> its rope */

struct am_base_entry {
    uint64_t key;
    uint32_t unit;
}; /* a sketch's bin -> a unit that has it */

struct am_realm {
    struct am_store *store;
    uint32_t number;
    uint8_t key[32];
    int table_fd, meta_fd;
    struct am_header *header;
    _Atomic uint32_t *generation;
    _Atomic uint64_t *index;
    struct am_record *record;
    struct am_meta *meta;
    uint8_t *flag;            /* heap, per number: AM_FLAG_* */
    uint16_t *pins;           /* heap, per number: jobs that read its bytes where they are */
    struct am_sketch *sketch; /* heap, per number; all 0: not made */
    uint32_t units, room;     /* alive; numbers that flag, pins and sketch have room for */
    uint32_t *free_number, free_count, free_room;
    uint32_t *doomed, doomed_count, doomed_room; /* perhaps nobody needs them any more */
    struct am_segment *segment;
    uint32_t segment_high, segment_room, segment_free; /* segment_free: numbers below high that are free */
    uint32_t open_segment;                             /* of the shared space; UINT32_MAX: none */
    struct am_reader *readers;
    struct am_held held[6]; /* by type, below all ropes */
    struct am_base_entry *bases;
    uint32_t base_room, base_count;
    struct am_fold_tag *folds;
    uint32_t fold_room, fold_used, fold_alive;
    struct am_dictionary *dictionary[6][AM_DICTIONARIES]; /* by type, the newest last */
    uint32_t dictionary_number[6][AM_DICTIONARIES], dictionaries[6];
    uint8_t *awake;     /* heap, per number: the most awake state of its owners, 16: newest; see cool.c */
    uint8_t *sample[6]; /* reservoir for training */
    size_t *sample_length[6];
    uint32_t sample_count[6];
    size_t sample_bytes[6];
    bool training[6];
    uint32_t skipped[6]; /* units since the last that went into the sample */
};

enum {
    AM_FLAG_DOOMED = 1,
    AM_FLAG_ASKED = 2,
    AM_FLAG_COOLING = 4,
    AM_FLAG_HEATING = 8,
    AM_FLAG_LEARNED = 16,
    AM_FLAG_FREEZING = 32,
    AM_FLAG_UNSAVED = 64,
    AM_FLAG_KEPT = 128 /* not freed before it is written */
};

struct am_agent {
    struct am_store *store;
    struct am_realm *realm;
    uint32_t row; /* in the state; its space is row + 1 */
    uint8_t key[32];
    uint32_t connections, first_edge, open_segment; /* first_edge: of its list; UINT32_MAX: none */
    uint64_t units, bytes;
    uint64_t private_units;                       /* units of its space that there are */
    struct am_held held[6];                       /* by type, below the ropes of its space */
    struct am_space_figures space;                /* of its space, as last counted (figures.c) */
    uint32_t first_head;                          /* of its list; UINT32_MAX: none */
    bool ended;                                   /* waits for the last of them */
    uint32_t newest[AM_POLICY_RECENT], newest_at; /* what it published last */
};

struct am_reader {
    struct am_reader *next;
    struct am_realm *realm;
    struct am_agent *agent;
    bool adopted;      /* of the broker before */
    uint64_t until_ms; /* adopted: closed then, because its client has come back; 0: stays */
    struct am_page *page;
    int fd;
    uint32_t number, held, recent_seen;
};

struct am_waiter {
    struct am_waiter *next;
    am_heated *done;
    void *context;
    uint32_t realm, unit;
};

struct am_store {
    struct am_store_options options;
    struct am_state *state;
    int state_fd;
    struct am_realm *realm[AM_REALMS];
    struct am_agent **agent;             /* by row */
    uint32_t *edge_next, *edge_previous; /* heap, parallel to state->edges: one list an agent */
    uint32_t edge_room, edge_free, edge_hand, *edge_hash, edge_hash_room;
    uint32_t *head_next, head_hand, head_holes; /* heap, parallel to state->heads */
    uint32_t agents, readers, reader_numbers;
    struct am_log *warm, *cold;
    pthread_mutex_t cold_lock; /* jobs take turns on the cold log */
    uint32_t cold_reads;       /* in flight: the cold log is not compacted while there are any */
    bool cold_busy, cold_compacting, compact_due; /* a writing job is in flight; it may move records */
    uint64_t (
        *moves)[2]; /* by the job, from and to, under cold_lock; the loop takes them over when it is done */
    size_t move_count, move_room;
    struct am_cold_entry *journal; /* what the next writing job appends; see cold.c */
    size_t journal_count, journal_room;
    uint64_t generation, marked; /* of the journal: being written; whole */
    size_t generation_count;     /* lines of this generation so far */
    bool mark_due, mark_follows; /* it has no mark yet; one follows the point that is on its way */
    uint64_t *journaled;         /* addresses of the records of this generation */
    size_t journaled_count, journaled_room, snapshot_count;
    uint64_t cold_retry_ms; /* the disk was full: not before then */
    struct am_unsaved {
        uint32_t realm, unit;
        uint64_t ticket;
    } * unsaved; /* in order of their tickets */
    size_t unsaved_count, unsaved_room;
    uint64_t tickets; /* given so far */
    bool replaying, snapshot_due; /* an entry found no memory, or many are over */
    uint64_t *dropped, *held; /* cold addresses that are over; held: before the point on its way */
    size_t dropped_count, dropped_room, held_count;
    uint64_t point; /* it is there when all before this ticket is written; 0: none is on its way */
    bool cold_full;
    struct am_waiter *waiters;
    uint64_t hot_bytes;     /* of segments, as mapped and touched */
    uint64_t cooling_bytes; /* raw bytes of units that are on their way down */
    uint64_t next_age_ms, next_flush_ms, awake_ms;
    uint32_t hand_realm, hand_unit; /* where the sweep over all units goes on */
    uint32_t freeze_realm, freeze_unit;
    bool adopted;
    struct am_store_figures counted;
    uint32_t next_dictionary;
    size_t jobs;
    uint64_t *warm_kept; /* inodes that the supervisor was told of */
    size_t warm_kept_count;
    bool closing;
    char error[512];
};

/* store.c */
__attribute__((format(printf, 3, 4))) int am_fail(struct am_store *store, int status, const char *format,
                                                  ...);
uint64_t am_now(const struct am_store *store);
void *am_map_fd(int fd, uint64_t bytes, bool writable);
int am_memfd(struct am_store *store, const char *name, uint64_t bytes, int seals, int *fd);
void am_keep(struct am_store *store, uint32_t kind, uint32_t realm, uint32_t number, uint32_t generation,
             int fd);
void am_let_go(struct am_store *store, uint32_t kind, uint32_t realm, uint32_t number, uint32_t generation);
void am_job_submit(struct am_store *store, struct am_job *job); /* runs it here when the pool is full */
struct am_realm *am_realm_make(struct am_store *store, uint32_t number);

/* numbers.c: am_number*; table.c */
int am_table_create(struct am_realm *realm);
int am_table_adopt(struct am_realm *realm, int table_fd, int meta_fd);
void am_table_free(struct am_realm *realm);
uint32_t am_table_find(const struct am_realm *realm, const am_id *id); /* 0: not there */
int am_table_insert(struct am_realm *realm, uint32_t number,
                    const am_id *id); /* into the index; the record is set */
void am_table_remove(struct am_realm *realm, uint32_t number);
int am_table_reindex(struct am_realm *realm);
int am_number_take(struct am_realm *realm, uint32_t *number);
void am_number_give(struct am_realm *realm, uint32_t number);
int am_numbers_room(struct am_realm *realm, uint32_t high);
void am_record_begin(struct am_realm *realm, uint32_t number); /* the version becomes odd */
void am_record_end(struct am_realm *realm, uint32_t number);
void am_record_place(struct am_realm *realm, uint32_t number, uint32_t segment, uint64_t offset, int state);
am_id am_record_id(const struct am_realm *realm, uint32_t number);
static inline uint64_t am_word(const _Atomic uint64_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}
static inline uint64_t am_length(const struct am_realm *r, uint32_t n) {
    return am_word(&r->record[n].size) >> 16;
}
static inline int am_state_of(const struct am_realm *r, uint32_t n) {
    return am_word(&r->record[n].size) & 15;
}
static inline int am_form_of(const struct am_realm *r, uint32_t n) {
    return am_word(&r->record[n].size) >> 4 & 15;
}
static inline int am_type_of(const struct am_realm *r, uint32_t n) {
    return am_word(&r->record[n].size) >> 8 & 255;
}
static inline uint32_t am_segment_of(const struct am_realm *r, uint32_t n) {
    return (uint32_t)am_word(&r->record[n].place);
}
const uint8_t *am_bytes_of(const struct am_realm *realm, uint32_t number); /* hot ones only */

/* segments.c */
int am_space_take(struct am_realm *realm, uint32_t space, uint64_t length, uint32_t *segment,
                  uint64_t *offset, uint8_t **bytes); /* room to write into, then am_record_place */
int am_space_adopt_fd(struct am_realm *realm, uint32_t space, int fd, uint64_t length, uint32_t *segment);
void am_space_give(struct am_realm *realm, uint32_t segment, uint64_t length);
#define AM_CLEAN_BYTES (8u << 20) /* moved in one go: a millisecond or two */
size_t am_space_clean(struct am_realm *realm,
                      size_t most); /* empties segments that are mostly dead; bytes moved */
int am_segment_restore(struct am_realm *realm, uint32_t number, uint32_t generation, int fd);
void am_segment_end(struct am_realm *realm, uint32_t segment);
int am_segment_slot(struct am_realm *realm, uint32_t number);

/* references.c: which of these units does a client's page or a job refer to. used[i] is set for each. The
 * versions must be odd (am_record_begin) before, so that no new reference can be taken meanwhile. */
void am_references_find(struct am_realm *realm, const uint32_t *numbers, size_t count, bool *used);
void am_references_note_use(struct am_store *store); /* reads `recent` of all pages */
int am_reader_adopt(struct am_store *store, struct am_realm *realm, struct am_agent *agent, uint32_t number,
                    int fd);

/* owners.c */
int am_owner_add(struct am_store *store, struct am_agent *agent, uint32_t unit, bool *added);
bool am_owner_remove(struct am_store *store, struct am_agent *agent, uint32_t unit);
bool am_owner_has(const struct am_store *store, const struct am_agent *agent, uint32_t unit);
int am_owners_room(struct am_store *store);
int am_owners_rebuild(struct am_store *store);
void am_owner_link(struct am_store *store, uint32_t edge);

/* units.c */
int am_unit_make(struct am_realm *realm, uint32_t space, const struct am_content *content, uint32_t *number);
int am_unit_fill(struct am_realm *realm, uint32_t number, const void *bytes,
                 int fd); /* AWAY -> HOT, from raw bytes */
int am_unit_away(struct am_realm *realm, uint32_t space, const struct am_log_head *head, uint64_t raw_bytes,
                 uint32_t *number);                         /* a unit that has only a record */
void am_unit_doom(struct am_realm *realm, uint32_t number); /* look at it: perhaps nobody needs it */
size_t am_units_free(struct am_realm *realm, size_t most);
bool am_unit_chill(struct am_realm *realm,
                   uint32_t number); /* give up the hot bytes; false: it is referred to */
void am_unit_used(struct am_realm *realm, uint32_t number);
void am_unit_placed(const struct am_realm *realm, uint32_t number, bool existed, struct am_placed *placed);
void am_unit_pin(struct am_realm *realm, uint32_t number);
void am_unit_unpin(struct am_realm *realm, uint32_t number);
void am_warm_drop(struct am_realm *realm, uint32_t number);
void am_cold_drop(struct am_realm *realm, uint32_t number);
bool am_agent_may(const struct am_agent *agent, uint32_t unit);
uint32_t am_agent_sees(const struct am_agent *agent, const am_id *id); /* the number, or 0 */

/* heads.c */
void am_head_link(struct am_store *store, uint32_t row);

void am_rope_unsaved(struct am_realm *realm, const am_piece *pieces, size_t count);

/* agents.c */
struct am_agent *am_agent_make(struct am_store *store, struct am_realm *realm,
                               uint32_t row); /* of a row that is set */
void am_agent_end(struct am_store *store, struct am_agent *agent);
void am_agent_reap(struct am_store *store, struct am_agent *agent);

/* rope.c */
int am_rope_check(struct am_agent *agent, const am_piece *pieces, size_t count);
void am_rope_children(struct am_realm *realm, uint32_t rope, const am_piece *pieces, size_t count,
                      int change); /* parents +-1 */
void am_rope_holds(struct am_realm *realm, uint32_t rope, const am_piece *piece, int change);

/* heat.c */
uint8_t *am_folded_bytes(struct am_realm *realm, uint32_t rope, size_t *bytes); /* of a folded rope; blocks */
uint8_t *am_unit_raw(struct am_realm *realm,
                     uint32_t number); /* a copy of the bytes, wherever they are; blocks */
void am_heat_number(struct am_realm *realm, uint32_t number, am_heated *done, void *context);
const struct am_dictionary *am_dictionary_numbered(const struct am_realm *realm, int type, uint32_t number);

/* cool.c */
void am_cool(struct am_store *store, uint64_t bytes, uint64_t now, int pressure);
void am_cool_number(struct am_realm *realm, uint32_t number);
void am_code_number(struct am_realm *realm, uint32_t number, bool stay); /* stay: code it, let it be hot */
void am_cool_agent(struct am_store *store, struct am_agent *agent);      /* all that it owns alone */
void am_heat_agent(struct am_agent *agent);                              /* what it published last */

/* learn.c */
void am_learn(struct am_realm *realm, uint32_t number);
void am_forget_sketch(struct am_realm *realm, uint32_t number);
uint32_t am_base_for(struct am_realm *realm, uint32_t number);
void am_learn_free(struct am_realm *realm);

/* warm.c */
bool am_warm_moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to);
void am_warm_grown(struct am_store *store); /* after an append: tell of a new segment */
void am_warm_kept(struct am_store *store, const int *fds, size_t count);

/* adopt.c */
int am_adopt(struct am_store *store);
/* wanted.c. Before and after owners and heads are known; what nobody needs is freed. */
enum { AM_PARTIAL_UNCOUNTED = 1, AM_PARTIAL_COUNTED = 2 };
void am_ropes_begin(struct am_store *store);
void am_ropes_start(struct am_store *store);

#include "cold.h"
#include "fold.h"

#endif
