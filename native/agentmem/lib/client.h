/* What the files of the client share: its state, and what each file does for the others. Not installed.
 *
 * Three nouns. A *slot* is a place in the client's page where one reference stands; slots are numbered alike
 * in every view and live as long as the client. A *view* is what one connection maps: the realm's table, the
 * page, segments. A *call* is a request to the broker with its answer.
 *
 * Locks: `wire` (one request at a time; held while waiting for the broker), then `local` (the list of views,
 * of mapped segments, new slots; held for no longer than a system call, but for am_reconnect). Taking and
 * giving back a hot unit takes neither. What keeps a view or a segment mapped below a thread that holds no
 * lock is hold[slot]: the thread says there what it is going to use, orders that before it looks (am_order),
 * and looks again; who unmaps takes the thing out of sight first, orders that (am_barrier), and then reads
 * every hold. It is the page's own protocol, one floor down.
 */
#ifndef AM_CLIENT_H
#define AM_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agentmem.h"
#include "layout.h"
#include "wire.h"

#define AM_LARGE                                                                                            \
    (1u << 20)         /* a unit of this size on, which has a segment of its own, is unmapped with its last \
                          reference */
#define AM_MAPPED 128u /* smaller ones, and slabs, until there are so many; then those that nobody holds */

/* hold[slot]: 0, AM_HOLD_BUSY (the thread is about to look at some view), or serial << 32 | segment << 8 |
 * state. */
enum { AM_HOLD_BUSY = 1, AM_HOLD_HELD = 2, AM_HOLD_RELEASING = 3 };
static inline uint64_t am_hold(uint32_t serial, uint32_t segment, unsigned state)
{
    return (uint64_t)serial << 32 | segment << 8 | state;
}

struct am_mapping {
    _Atomic uint32_t generation; /* 0: not mapped */
    uint32_t listed;             /* it stands in view->mapped */
    const uint8_t *_Atomic base;
    _Atomic uint64_t bytes;
};

struct am_view {
    const struct am_header *table;
    struct am_page *page;
    struct am_mapping *mappings; /* AM_SEGMENTS of them; what is not used takes no memory */
    struct am_welcome welcome;
    uint32_t serial;  /* of this client's views: larger is later */
    bool foreign;     /* table, page and segments belong to somebody else (tests) */
    uint32_t *mapped; /* numbers of the segments that are mapped */
    size_t mapped_count, mapped_room;
    struct am_view *older;
};

#define AM_SLOTS_CLOSED 0xffffffffu

struct am_kernel;

struct am_client {
    struct am_view *_Atomic view; /* NULL in a forked child */
    struct am_kernel *kernel;     /* the module serves this client (kernel.h); NULL: a broker does */
    _Atomic uint64_t free;  /* change << 32 | first free slot; 0: none; AM_SLOTS_CLOSED: am_reconnect works */
    _Atomic uint64_t *hold; /* AM_REFERENCES */
    _Atomic uint32_t *next; /* AM_REFERENCES: the free slot behind this one */
    bool fences;            /* no membarrier: every order is a full fence */
    _Atomic bool forked;
    _Atomic uint32_t slots;   /* slots below it have been given out */
    _Atomic uint32_t retired; /* views that are still mapped for somebody */
    _Atomic uint32_t swept;
    _Atomic uint64_t barriers; /* how many am_barrier made: each interrupts every processor */
    pthread_mutex_t wire, local;
    struct am_view *views;        /* newest first; the first is the current one */
    struct am_client *registered; /* the next client of this process */
    int fd;                       /* the socket, or the device; -1: no broker */
    uint64_t sequence;
    am_options options; /* its strings are the arrays below */
    char socket[108], realm[AM_NAME_BYTES], agent[AM_NAME_BYTES];
    uint8_t packet[AM_PACKET]; /* an answer's body; under `wire` */
};

/* Store so that am_order (same thread) puts it before what is loaded after. */
static inline void am_say(const struct am_client *client, _Atomic uint64_t *where, uint64_t value)
{
    atomic_store_explicit(where, value, client->fences ? memory_order_seq_cst : memory_order_release);
}

static inline void am_say_slot(const struct am_client *client, _Atomic uint32_t *where, uint32_t value)
{
    atomic_store_explicit(where, value, client->fences ? memory_order_seq_cst : memory_order_release);
}

/* The reader's half of the asymmetric barrier: with full fences the stores above and the loads are seq_cst.
 */
static inline void am_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* client_slots.c */
uint32_t am_slot_pop(struct am_client *client);             /* 0: none left; its hold is AM_HOLD_BUSY */
void am_slot_give(struct am_client *client, uint32_t slot); /* clear it in the page and make it free */
int am_slots_more(struct am_client *client);                /* after a pop gave 0: 0, AM_EQUOTA, AM_ENOMEM */
void am_barrier(struct am_client *client);                  /* the other half: for who unmaps or swaps */
bool am_barrier_register(void);                             /* false: this kernel has none, use fences */

/* client_view.c */
int am_view_create(struct am_client *client, const struct am_welcome *welcome, int table, int page,
                   struct am_view **view);
void am_view_free(struct am_view *view, bool in_child);
/* Put it in front of the others; the one before stays mapped for whoever holds something in it. Lock: local.
 */
void am_view_enter(struct am_client *client, struct am_view *view);
void am_view_sweep(struct am_client *client);               /* unmap what nobody uses any more. Lock: local */
/* Unmap every segment that no reference is held in: what the broker lets go of is free at once. Takes `local`. */
void am_view_rest(struct am_client *client);
/* Unmap a large segment if no reference in it is left. Takes `local`. */
void am_view_drop(struct am_client *client, uint64_t hold);
int am_view_map(struct am_client *client, struct am_view *view, uint32_t segment, uint32_t generation,
                int fd);
int am_view_note(struct am_view *view, uint32_t segment, uint32_t generation, const uint8_t *base,
                 uint64_t bytes);
void *am_view_map_fd(int fd, uint64_t bytes, int protection, bool huge); /* shared, not for children; NULL */

/* client_acquire.c */
enum am_taken { AM_TAKEN, AM_MISSED, AM_UNMAPPED, AM_NO_SLOT, AM_BROKEN };
/* Try without asking anybody. AM_UNMAPPED: unit->reference is held until its segment is mapped. */
enum am_taken am_take(struct am_client *client, const am_id *id, unsigned wait, am_unit *unit);
bool am_acquire_hot(struct am_client *client, const am_id *id, am_unit *unit);
int am_acquire_asking(struct am_client *client, const am_id *id, am_unit *unit);
/* Under `wire`: the reference the broker just told of. 1: it has moved meanwhile. */
int am_acquire_placed(struct am_client *client, const am_id *id, am_unit *unit);

/* client_private.c */
struct am_private {
    void *at;
    size_t length;
    uint8_t *data;
};
int am_private_map(struct am_client *client, const am_unit *unit, struct am_private *private_map);
void am_private_unmap(struct am_private *private_map);

/* client_wire.c */
struct am_part {
    const void *data;
    size_t length;
};
struct am_call {
    enum am_operation operation;
    struct am_part part[3];
    int send_fd;         /* -1: none */
    size_t answer_bytes; /* out: in client->packet */
    int answer_fd;       /* out: -1, or the caller's to close */
};
int64_t am_clock_ms(void);
int am_wire_open(struct am_client *client, struct am_welcome *welcome, int *table, int *page);
/* One request and its answer, under `wire`. */
int am_wire_call(struct am_client *client, struct am_call *call);
/* The same with the lock taken, and AM_EBUSY tried again until the timeout; body (may be NULL) gets exactly
 * `room` bytes of the answer, or AM_EPROTOCOL. */
int am_wire_ask(struct am_client *client, struct am_call *call, void *body, size_t room);
void am_wire_tell(struct am_client *client, enum am_operation operation, const void *data,
                  size_t length); /* silent */
void am_wire_gone(struct am_client *client);
void am_wire_close(struct am_call *call);    /* the file that came with the answer, if nobody took it */
void am_wire_rest(struct am_client *client); /* wait a little before AM_EBUSY is tried again */

/* client_error.c: sets am_error, returns the status. */
int am_client_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int am_client_fail_text(int status, const void *text, size_t length);

/* client.c: for tests, a client of a table and a page made by the caller. */
int am_client_create(struct am_client **client);
int am_client_attach(struct am_client *client, struct am_header *table, struct am_page *page);

/* client_file.c: the file, or a status */
int am_file_new(uint64_t length);
int am_file_fill(int fd, const uint8_t *data, uint64_t length);
uint8_t *am_file_map(int fd, uint64_t length); /* to write into; NULL: no memory */
int am_file_seal(int fd);                      /* against every change; once more does nothing */

/* client_publish.c */
int am_client_key(const struct am_client *client, bool private_space, uint8_t key[32]);
/* Publish, but leave what the table knows as it is: AM_FOUND is not owned, the other two are. */
enum am_origin { AM_FOUND, AM_FOUND_ASKING, AM_MADE };
int am_publish_piece(struct am_client *client, int type, int form, const void *data, uint64_t length,
                     uint32_t flags, am_unit *unit, enum am_origin *origin);

#endif
