/* The server: connections, their requests, their agents. Everything here runs on the loop's thread.
 *
 * server.c        accepts, keeps the time, turns
 * connection.c    packets in, and the end of a connection
 * answer.c        packets out
 * hello.c         attaching: realm, agent, page, process; what is told apart of agents (members)
 * requests.c      every request that is answered at once or when the store says so
 * publish.c       PUBLISH: whose bytes are hashed here and nowhere else
 * report.c        AGENTS and STATS
 * inventory.c     INVENTORY
 *
 * Every bound is named below; who passes one is told why, or closed with the reason in the journal. A
 * connection that was closed stays in memory until nothing that it asked for is under way (asks, behind); its
 * agent and its page live as long, so the store never works for an agent that is not there.
 */
#ifndef AM_SERVER_H
#define AM_SERVER_H

#include "broker.h"
#include "loop.h"
#include "pressure.h"
#include "process.h"
#include "store.h"
#include "wire_check.h"

#include <stdio.h>

#define AM_IN_FLIGHT 64u           /* requests of one client that have no answer yet; then it is not read */
#define AM_BEHIND 4096u            /* restores of HEAT under way for one client */
#define AM_QUEUE_BYTES (1u << 20)  /* answers that one client has not taken */
#define AM_QUEUED_FILES 1024u      /* descriptors in such answers, of all clients */
#define AM_PER_PROCESS 256u        /* connections of one process */
#define AM_PACKETS_A_TURN 16u      /* of one client, before the next one has its turn */
#define AM_LAST_PACKETS 256u       /* read of a client whose process has ended */
#define AM_HOLD_MS 5000u           /* a unit stays where its client was told that it is, unless it asks on */
#define AM_FILES_PAUSE_MS 200u     /* no accepting after descriptors ran out */

struct am_connection;

/* A request under way. */
struct am_ask { struct am_connection *connection; uint64_t sequence; uint16_t operation, flags; };

/* An agent as the server sees it: one for all connections of that agent. */
struct am_member {
    struct am_member *next;
    struct am_agent *agent;
    struct am_realm *realm;
    uint32_t connections;
    int state; /* enum am_agent_state, as this server last set it */
    uint64_t used_ms;
};

struct am_outgoing { struct am_outgoing *next; int fd; uint32_t bytes; uint8_t packet[]; };

struct am_connection {
    struct am_watch watch, process_watch; /* watch first */
    struct am_server *server;
    struct am_connection *before, *next, *next_dead;
    struct am_process process;
    int refused; /* a status with which its first request is answered; then it is closed */
    bool closed, gone, dead; /* gone: the peer takes no answers any more */
    uint32_t events, asks, behind, queued;
    uint32_t queued_bytes;
    struct am_outgoing *first, *last;
    uint64_t patience_ms; /* when it is closed unless it says HELLO or takes an answer; UINT64_MAX: never */
    uint64_t held_until_ms; /* 0: nothing is held */
    struct am_member *member; /* NULL before HELLO; and the three below */
    struct am_reader *reader;
    struct am_welcome welcome; /* its keys */
    char name[AM_NAME_BYTES];
};

struct am_server_counts {
    uint64_t accepted, refused, closed, requests, bytes_in, bytes_out, refusals, packets_queued, slow_closed,
        broken_closed, processes_ended, out_of_files, lies, busy;
    uint64_t by_operation[AM_OP_LAST + 1];
};

struct am_server {
    struct am_loop *loop;
    struct am_store *store;
    struct am_pool *pool;
    struct am_pressure *pressure;
    const struct am_broker_start *start;
    const struct am_measure *seccomp;
    struct am_watch listener, pool_watch;
    struct am_connection *connections, *dead;
    struct am_member *members;
    struct am_server_counts counts;
    uint32_t connected, queued_files;
    uint64_t hashing_bytes;
    int spare; /* a descriptor to give up when there are none left; -1 while it is given up */
    uint64_t started_ms, tick_at_ms, check_at_ms, listen_at_ms;
    bool touched; /* a request of this turn changed the store */
    _Alignas(8) uint8_t packet[AM_PACKET];
};

/* server.c */
int am_server_open(struct am_server *server, int listener);
void am_server_turn(struct am_server *server);
void am_server_close(struct am_server *server);
void am_server_wake(struct am_server *server, uint64_t at_ms); /* look at deadlines then */

/* Tell a client that it cannot be served, in the place of its answer to HELLO (of sequence 1, a first
 * request's, when HELLO has not come yet), and close it. */
void am_turn_away(int fd, int status, const char *text);

/* connection.c */
void am_connection_accept(struct am_server *server, int fd);
void am_connection_close(struct am_connection *connection, const char *reason);
void am_connection_check(struct am_connection *connection, uint64_t now_ms); /* its deadlines */
void am_connection_reap(struct am_server *server);
void am_connection_hold(struct am_connection *connection, uint32_t number); /* 0: nothing */
void am_connection_attend(struct am_connection *connection); /* after asks, behind or queue have changed */

/* answer.c */
uint64_t am_patience(const struct am_server *server); /* the deadline that begins now */
void am_queue_flush(struct am_connection *connection);
void am_queue_drop(struct am_connection *connection);
/* fd is the caller's and is not closed; -1: none. */
void am_answer(const struct am_ask *ask, int status, const void *body, size_t bytes, int fd, uint16_t flags);
void am_refuse(const struct am_ask *ask, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void am_refuse_as_store(const struct am_ask *ask, int status); /* with the store's words */
struct am_ask *am_ask_keep(const struct am_ask *ask,
                           size_t bytes); /* a copy that outlives the call; NULL: refused */
void am_ask_end(struct am_ask *ask);                                /* frees it */
const char *am_status_word(int status);

/* hello.c */
void am_hello(const struct am_ask *ask, const struct am_checked *checked);
void am_member_used(struct am_connection *connection, uint64_t now_ms);
void am_member_leave(struct am_connection *connection);
struct am_member *am_member_of(struct am_server *server, const struct am_agent *agent);
uint64_t am_member_check(struct am_server *server, uint64_t now_ms); /* who has become idle; when next */

/* requests.c, publish.c, report.c: descriptor is theirs to close. */
void am_request(const struct am_ask *ask, const struct am_checked *checked, int descriptor);
void am_publish_request(const struct am_ask *ask, const struct am_checked *checked, int descriptor);
void am_report_stats(const struct am_ask *ask, bool text);
void am_report_agents(const struct am_ask *ask);
void am_report_inventory(const struct am_ask *ask); /* inventory.c */
/* Answer with what write_it writes, in a sealed memfd. */
void am_report(const struct am_ask *ask, void (*write_it)(FILE *, const struct am_ask *));
void am_answer_placed(const struct am_ask *ask, int status, const struct am_placed *placed);

#endif
