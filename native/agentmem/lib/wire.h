/* What clients and broker say to each other: one message per SOCK_SEQPACKET packet on a Unix socket, little-endian.
 *
 * A request is struct am_request, then `bytes` bytes; an answer is struct am_answer, then `bytes` bytes. A request
 * with AM_SILENT gets no answer. `sequence` comes back in the answer; answers may come in another order than
 * requests (a restore waits for its worker). At most one file descriptor comes with a message. Strings are UTF-8
 * without a final zero; their lengths are given. Whatever breaks these rules gets AM_EPROTOCOL and the connection
 * is closed: a broken peer is not argued with.
 *
 *   operation    request body                              answer
 *   HELLO        am_hello, realm, agent                    am_welcome; fd: table. Then a second message
 *                                                          (sequence as asked, AM_SECOND): fd: the client's page
 *   PUBLISH      am_publish_body, then the bytes (inline)  am_placed
 *                or a sealed memfd
 *   ACQUIRE      id                                        am_placed; hot when answered. The broker holds the unit
 *                                                          for this client until its next request or 5 seconds, so
 *                                                          that the client can take its reference
 *   SEGMENT      am_segment_body                           fd of the segment
 *   OWN, DISOWN  id                                        empty
 *   MARK         am_mark_body                              empty
 *   HEAT         ids                                       empty; restoring goes on behind
 *   SHARE        id, agent's name (empty: the realm)       am_placed
 *   HEAD_SET     id (zero: remove), name                   empty
 *   HEAD_GET     name                                      am_placed
 *   STATE        am_state_body, agent's name (empty: own)  empty
 *   FORGET       agent's name (empty: own)                 empty
 *   AGENTS       empty                                     JSON in a sealed memfd
 *   STATS        empty                                     JSON in a sealed memfd
 *   INVENTORY    empty                                     JSON in a sealed memfd: this agent's heads, what it owns
 *
 * A rope is published as PUBLISH with form AM_ROPE: the bytes are am_piece[]; the broker checks that every piece
 * exists in this realm or this agent's space, that lengths, counts and types are right, and refuses otherwise.
 * An error's body is a text that says what is wrong, with the value, and what to do.
 */
#ifndef AM_WIRE_H
#define AM_WIRE_H

#include "agentmem.h"

#define AM_WIRE 1u
#define AM_INLINE 65536u /* largest content in a message; above: a memfd */
#define AM_PACKET (AM_INLINE + 4096u)

enum am_operation {
    AM_OP_HELLO = 1, AM_OP_PUBLISH, AM_OP_ACQUIRE, AM_OP_SEGMENT, AM_OP_OWN, AM_OP_DISOWN, AM_OP_MARK, AM_OP_HEAT,
    AM_OP_SHARE, AM_OP_HEAD_SET, AM_OP_HEAD_GET, AM_OP_STATE, AM_OP_FORGET, AM_OP_AGENTS, AM_OP_STATS,
    AM_OP_INVENTORY, AM_OP_LAST = AM_OP_INVENTORY,
};

#define AM_SILENT 1u /* request: no answer */
#define AM_SECOND 1u /* answer: the second of two */

struct am_request { uint16_t operation; uint16_t flags; uint32_t bytes; uint64_t sequence; };
struct am_answer { uint16_t operation; uint16_t flags; int32_t status; uint32_t bytes; uint32_t zero; uint64_t sequence; };

struct am_hello {
    uint32_t wire; uint32_t api; uint32_t importance; uint32_t flags; /* AM_HELLO_DURABLE */
    int32_t pid; /* 0: the peer's own. Another process of the same user may be named. */
    uint16_t realm_bytes; uint16_t agent_bytes;
};
#define AM_HELLO_DURABLE 1u
struct am_welcome {
    uint32_t wire; uint32_t layout; uint64_t epoch;
    uint8_t realm_key[32]; /* of the shared space */
    uint8_t space_key[32]; /* of the agent's private space */
    uint32_t agent; uint32_t space;
};
struct am_publish_body {
    am_id id; /* as the client computed it; zero: it did not. The broker computes it in any case. */
    uint64_t length; uint8_t type; uint8_t form; uint8_t private_space; uint8_t zero[5];
};
struct am_placed {
    am_id id; uint64_t length; uint32_t number; uint8_t type; uint8_t form; uint8_t existed; uint8_t tier;
    uint32_t segment; uint32_t generation; uint64_t offset; uint64_t version;
};
struct am_segment_body { uint32_t segment; uint32_t generation; };
struct am_mark_body { am_id id; uint32_t importance; uint32_t zero; };
struct am_state_body { uint32_t state; uint32_t importance; /* 0xffffffff: leave */ };

#endif
