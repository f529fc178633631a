/* The store: realms, units, agents, references, tiers. All state of the broker, none of its sockets.
 *
 * One thread (the loop's) calls everything here; nothing here blocks on a peer or on the disk longer than a
 * page fault. Work that takes longer goes to the pool and comes back through a callback on the same thread.
 *
 * Everything that must outlive the process lies in memfds (tables, segments, the state arrays, the warm log)
 * or in the cold log. `keep` is told of each memfd when it is made and when it is given up, so that another
 * process can hold it; am_store_open takes them over and mends what was half done. Invariants, checked by
 * am_store_check:
 *   - every unit number is either free or has exactly one place: hot (one segment range), or a warm or cold
 * record
 *   - a unit lives while an owner, a parent (rope or delta) or a reference does, and is freed soon after the
 * last
 *   - a range or a record is free exactly when no unit says it is its own
 *   - a version is odd only while the loop is inside a call of this file
 */
#ifndef AM_STORE_H
#define AM_STORE_H

#include "agentmem.h"
#include "figures.h"
#include "wire.h"
#include "pool.h"

struct am_store;
struct am_realm;
struct am_agent;
struct am_reader; /* one client's page of references */

/* A memfd to be kept by another process: what it is, in three numbers. */
enum am_kept_kind {
    AM_KEPT_STATE = 1,
    AM_KEPT_TABLE,
    AM_KEPT_META,
    AM_KEPT_SEGMENT,
    AM_KEPT_PAGE,
    AM_KEPT_WARM
};
struct am_kept {
    uint32_t kind, realm, number, generation;
};
struct am_kept_fd {
    struct am_kept what;
    int fd;
};

struct am_store_options {
    uint8_t secret[32]; /* realm keys are derived from it; kept by the caller in a file of mode 0600 */
    uint64_t hot_bytes; /* above it, units go down; a quarter more is the hard limit */
    uint64_t warm_bytes;
    uint64_t cold_bytes; /* 0: no cold tier */
    const char *cold_folder;
    const char *cold_disk; /* in its place a bare disk, like nvme:0000:00:04.0 (log.h); NULL: none */
    uint64_t agent_bytes;   /* quota: logical bytes that one agent may own; 0: none */
    uint32_t agent_units;   /* quota: units that one agent may own; 0: none */
    uint64_t warm_after_ms; /* ages at which units go down without need; 0: the seed's */
    uint64_t cold_after_ms;
    struct am_pool *pool;
    uint64_t (*now_ms)(void);                                        /* monotonic; NULL: CLOCK_BOOTTIME */
    void (*keep)(void *context, const struct am_kept *what, int fd); /* NULL allowed */
    void (*let_go)(void *context, const struct am_kept *what);
    /* a place of the cold log that cannot be read, found at the start; NULL allowed */
    void (*broken)(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what);
    void *context;
    /* Taken over from the process before: entries that the store uses get fd -1; the caller closes the
     * others. The `keep` of something that is kept already replaces it. */
    struct am_kept_fd *kept;
    size_t kept_count;
};

int am_store_open(const struct am_store_options *options, struct am_store **store);
/* flush: write what durable agents own to the cold log first. */
void am_store_close(struct am_store *store, bool flush);

/* The text of the last failure of a call of this file: value and remedy. */
const char *am_store_error(const struct am_store *store);

/* Realms are made on first use and live as long as anything is in them. */
int am_realm_open(struct am_store *store, const char *name, size_t bytes, struct am_realm **realm);
int am_realm_table_fd(const struct am_realm *realm); /* the realm's own: do not close */
uint64_t am_store_epoch(const struct am_store *store);

/* An agent. A durable one of this name in this realm is opened again; otherwise a new one is made. process:
 * pid and start time (clock ticks, /proc/PID/stat field 22), 0 for none; so that after a restart a dead one
 * is known. */
int am_agent_open(struct am_store *store, struct am_realm *realm, const char *name, size_t bytes,
                  bool durable, uint32_t importance, int32_t pid, uint64_t pid_start,
                  struct am_agent **agent);
/* One connection less. The last one ends the agent unless it is durable: disowns everything. */
void am_agent_close(struct am_store *store, struct am_agent *agent);
struct am_agent *am_agent_find(struct am_store *store, struct am_realm *realm, const char *name,
                               size_t bytes);
int am_agent_set(struct am_store *store, struct am_agent *agent, int state,
                 uint32_t importance); /* 0, ~0u: leave */
int am_agent_disown_all(struct am_store *store, struct am_agent *agent);
/* After disowning all: nobody is attached any more, so a durable agent ends too. */
void am_agent_forgotten(struct am_store *store, struct am_agent *agent);
void am_agent_keys(const struct am_realm *realm, const struct am_agent *agent, struct am_welcome *welcome);

/* What it has: every head by its name, then every unit that it owns by itself (name NULL). A NULL
 * callback: not those. */
typedef void am_had(void *context, const char *name, const am_id *id);
void am_agent_has(const struct am_agent *agent, am_had *head, am_had *owned, void *context);

/* A client's page. */
int am_reader_open(struct am_store *store, struct am_realm *realm, struct am_agent *agent,
                   struct am_reader **reader);
int am_reader_fd(const struct am_reader *reader);                       /* the reader's own: do not close */
void am_reader_close(struct am_store *store, struct am_reader *reader); /* its references are gone */
/* Keep this unit in place for the reader although its page does not say so yet; one at a time, 0: none. */
void am_reader_hold(struct am_reader *reader, uint32_t number);

/* Content that the caller has hashed itself (never the client). bytes or fd: a memfd sealed WRITE|SHRINK|GROW
 * of exactly this length, which the store owns after success when placed->existed is 0. */
struct am_content {
    am_id id;
    uint64_t length;
    const void *bytes;
    int fd;
    uint8_t type, form;
    bool private_space;
};
/* Store or find; the agent owns it; hot afterwards. AM_EQUOTA, AM_ENOMEM, AM_EBUSY (evicting: try again
 * soon), AM_EFILES; for a rope AM_EINVAL or AM_ENOTFOUND when a piece is wrong. */
int am_put(struct am_store *store, struct am_agent *agent, const struct am_content *content,
           struct am_placed *placed);
/* Answer now or when it is hot. done is called exactly once, perhaps before this returns. */
typedef void am_heated(void *context, int status, const struct am_placed *placed);
void am_heat(struct am_store *store, struct am_agent *agent, const am_id *id, am_heated *done, void *context);
/* The fd of a segment this agent may map (the realm's or its own): the store's, do not close. */
int am_segment_fd(struct am_store *store, struct am_agent *agent, uint32_t segment, uint32_t generation,
                  int *fd);

int am_store_own(struct am_store *store, struct am_agent *agent, const am_id *id);
int am_store_disown(struct am_store *store, struct am_agent *agent, const am_id *id);
int am_store_mark(struct am_store *store, struct am_agent *agent, const am_id *id, uint32_t importance);
/* target NULL: the realm's shared space. Asynchronous because the unit may have to be restored first. */
void am_store_share(struct am_store *store, struct am_agent *agent, const am_id *id, struct am_agent *target,
                    am_heated *done, void *context);
int am_head_write(struct am_store *store, struct am_agent *agent, const char *name, size_t bytes,
                  const am_id *id);
int am_head_read(struct am_store *store, struct am_agent *agent, const char *name, size_t bytes,
                 struct am_placed *placed);

/* Housekeeping: frees what nobody needs, moves units down, compacts. pressure: 0 none, 1 memory
 * is nearly used up, 2 and the kernel reports stalls for it. Returns the milliseconds until it wants to be
 * called again. */
uint32_t am_store_tick(struct am_store *store, int pressure);

/* Free what nobody needs now, before it is counted: what a conversation leaves behind counts several times. */
void am_store_settle(struct am_store *store);

void am_store_figures(const struct am_store *store, struct am_store_figures *figures);
/* The n-th agent there is, in order of number; false when there are no more. */
bool am_agent_figures(const struct am_store *store, size_t n, struct am_agent_figures *figures);
/* Check every invariant; prints what does not hold to the file (a FILE *). The number of violations. */
size_t am_store_check(struct am_store *store, void *file);

#endif
