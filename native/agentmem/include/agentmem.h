/* libagentmem: one copy of what many agents hold. The manual of the C interface (seed 003, layer 1 and 5).
 *
 * A *unit* is a run of bytes with a type: a system prompt, a tool definition, a tool result, a piece of a
 * conversation, a page of a KV cache. Its *id* is BLAKE3, keyed by its realm, over its type and bytes, so equal
 * content has one id and is held once. A *realm* is one domain of trust: inside it content is shared, between
 * realms nothing is, neither bytes nor ids nor the time it takes to store them. The broker (nexus-agentmemd)
 * owns all units; a client maps them read-only and reads without asking.
 *
 * A unit is HOT (raw bytes, mapped by whoever reads it), WARM (compressed, in the broker's RAM) or COLD
 * (compressed, on disk). The broker moves a unit down when memory is short and its agents are idle, never while
 * a reference to it is held, and up again when it is asked for.
 *
 * References. am_acquire and am_publish give an am_unit: its bytes stay where they are and as they are until
 * am_release. Taking and giving back a reference to a hot unit is a write to a page that only this client and
 * the broker map: no system call, no lock, no shared counter. When a client dies, the broker forgets its page;
 * nothing leaks and nobody waits.
 *
 * Ownership. A reference lasts as long as it is held; *owning* keeps a unit after the reference has gone. The
 * agent that publishes a unit owns it. A unit that nobody owns, no rope or delta needs and nobody refers to is
 * freed. What an agent owns is disowned when it ends, unless the agent is durable.
 *
 * Private units. Conversations belong to one agent: their bytes lie in memory that no other agent maps, and
 * their ids are keyed with the agent's name too. am_share gives one of them to the realm or to one agent.
 *
 * Threads. Every call may be made from any thread; requests that need the broker take turns on one lock,
 * acquire and release of hot units take none. Fork: the child may not use a client made before the fork; every
 * call then returns AM_EFORKED, and the bytes of its units are not mapped in the child. Signals: safe with
 * SA_RESTART; calls are restarted otherwise.
 *
 * Backends. A broker serves a client, or the kernel module behind /dev/agentmem where that is named as the
 * socket, or where no socket is named, none lies at its usual place and the device can be opened. A broker that
 * is there wins: it also keeps ropes, heads, conversations, shared private units and durable agents; of the
 * module these calls are AM_EUNSUPPORTED. With the module an acquire and a release are two
 * system calls each, am_buffer_publish copies, and no unit outlives the module.
 *
 * Errors. Every function that can fail returns 0 or one of enum am_status (negative); am_error tells what
 * happened in words, with the value and the remedy. On failure out-parameters are unchanged.
 *
 * Versions. AM_API is compared at am_connect; symbols are versioned AGENTMEM_1.
 */
#ifndef AGENTMEM_H
#define AGENTMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AM_API 1
#define AM_NAME_BYTES 256          /* names of realms, agents and heads, with the final zero; UTF-8 */
#define AM_LARGEST_UNIT (1ull << 31) /* 2 GiB */

#if defined(__GNUC__) && !defined(AM_STATIC)
#define AM_PUBLIC __attribute__((visibility("default")))
#else
#define AM_PUBLIC
#endif

enum am_status {
    AM_OK = 0,
    AM_EINVAL = -1,     /* a value that no call takes: the text names it */
    AM_ENOTFOUND = -2,  /* no unit, head or agent of this id or name in this realm */
    AM_ETYPE = -3,      /* not a type, or not the type of this unit */
    AM_ESIZE = -4,      /* larger than the limit, or of another size than was said */
    AM_ESEALS = -5,     /* the file behind a publish is not sealed against change */
    AM_EQUOTA = -6,     /* the agent's quota of bytes, units or references is used up */
    AM_ENOMEM = -7,     /* no memory, here or at the broker, and nothing that may be evicted */
    AM_EDISK = -8,      /* the disk of the cold tier is full or failing; nothing was lost */
    AM_ECORRUPT = -9,   /* the stored bytes do not have their checksum: this unit is lost, others are not */
    AM_EACCESS = -10,   /* another user's broker, or a private unit of another agent */
    AM_EBROKER = -11,   /* no broker answers, or it went away; am_reconnect when it is back */
    AM_EFORKED = -12,   /* this client was made before a fork, in the parent */
    AM_EPROTOCOL = -13, /* the other side speaks another version or broke the rules */
    AM_EBUSY = -14,     /* the resource is in use or the broker is overloaded; try again */
    AM_EFILES = -15,    /* no file descriptors left, here or at the broker */
    AM_EUNSUPPORTED = -16, /* what serves this client does not offer it (the kernel module: see Backends) */
};

enum am_type {
    AM_CONVERSATION = 1,
    AM_SYSTEM_PROMPT = 2,
    AM_TOOL_DEF = 3,
    AM_TOOL_RESULT = 4,
    AM_KV_PAGE = 5,
};

enum am_form { AM_RAW = 1, AM_ROPE = 2 };              /* what a reader sees */
enum am_tier { AM_HOT = 1, AM_WARM = 2, AM_COLD = 3 }; /* where the bytes are */
enum am_agent_state { AM_ACTIVE = 1, AM_IDLE = 2, AM_PAUSED = 3, AM_KILLED = 4 };

typedef struct { uint8_t bytes[32]; } am_id;
typedef struct am_client am_client;

/* A reference to a hot unit. data is readable until am_release; it may not be written. */
typedef struct {
    const uint8_t *data;
    uint64_t length;
    am_id id;
    uint8_t type;     /* enum am_type */
    uint8_t form;     /* enum am_form */
    bool existed;     /* am_publish: the content was there already */
    uint32_t number;  /* of the unit in its realm */
    uint32_t reference; /* this client's slot; 0 when not held */
} am_unit;

/* One entry of a rope, in order: a unit, or a rope whose pieces stand in its place. 64 bytes, little-endian. */
typedef struct {
    am_id id;
    uint64_t length;   /* bytes of all that stands below */
    uint32_t messages; /* message starts in all that stands below */
    uint32_t pieces;   /* leaves below; 1 for a unit */
    uint8_t type;
    uint8_t form;      /* AM_ROPE: read further in that unit */
    uint8_t flags;     /* AM_MESSAGE_START */
    uint8_t zero[13];
} am_piece;
#define AM_MESSAGE_START 1u

typedef struct {
    const char *socket;     /* path, of a socket or of /dev/agentmem; NULL: $NEXUS_AGENTMEM, else
                             * run/agentmem.sock in $NEXUS_HOME, else $XDG_RUNTIME_DIR/nexus/agentmem.sock if
                             * it is there, else that of ~/.local/share/nexus, else the module (Backends) */
    const char *realm;      /* NULL: "default"; by custom the project's folder */
    const char *agent;      /* the agent's name; NULL: the program's name and pid */
    uint32_t importance;    /* 0 to 100; 50 when made by am_options_default */
    bool durable;           /* what it owns outlives this connection, the broker and the machine's power */
    int32_t pid;            /* the process whose end ends the agent; 0: the caller's */
    uint32_t timeout_ms;    /* for each answer of the broker; 0: 30,000 */
} am_options;

AM_PUBLIC void am_options_default(am_options *options);

/* Connect and attach: one agent, one realm. *client is to be closed with am_close. */
AM_PUBLIC int am_connect(const am_options *options, am_client **client);
/* Give back every reference and the connection. Unit bytes acquired from it are unmapped. NULL is allowed. */
AM_PUBLIC void am_close(am_client *client);
/* After AM_EBROKER: attach to the broker that is there now. Held units stay readable; their references are taken
 * again under the new broker where the unit still exists there. */
AM_PUBLIC int am_reconnect(am_client *client);
/* What the last failed call of this thread had to say. Never NULL. */
AM_PUBLIC const char *am_error(void);
AM_PUBLIC const char *am_status_name(int status);

/* The id that (type, data) has in this realm, or, with private set, in this agent's private space. */
AM_PUBLIC int am_identify(const am_client *client, int type, const void *data, uint64_t length, bool private_space,
                          am_id *id);

/* A reference to a known unit. A hot one costs no system call; a warm or cold one is restored first. */
AM_PUBLIC int am_acquire(am_client *client, const am_id *id, am_unit *unit);
AM_PUBLIC void am_release(am_client *client, am_unit *unit); /* unit->reference becomes 0; a second call does nothing */

/* Store content, or find it stored (the seed's alloc). The caller's buffer is its own again on return. */
#define AM_PRIVATE 1u  /* in the agent's private space; always so for AM_CONVERSATION */
#define AM_SHARED 2u   /* in the realm, even a conversation's piece */
#define AM_NO_REFERENCE 4u /* store and own; unit->reference stays 0 and unit->data NULL */
AM_PUBLIC int am_publish(am_client *client, int type, const void *data, uint64_t length, uint32_t flags, am_unit *unit);

/* Zero-copy publish of something large: memory to write into, which becomes the unit itself. */
typedef struct { uint8_t *data; uint64_t length; int fd; } am_buffer;
AM_PUBLIC int am_buffer_create(am_client *client, uint64_t length, am_buffer *buffer);
AM_PUBLIC int am_buffer_publish(am_client *client, int type, am_buffer *buffer, uint32_t flags, am_unit *unit);
AM_PUBLIC void am_buffer_discard(am_buffer *buffer);

/* Ownership and meaning. */
AM_PUBLIC int am_own(am_client *client, const am_id *id);
AM_PUBLIC int am_disown(am_client *client, const am_id *id);
AM_PUBLIC int am_mark(am_client *client, const am_id *id, uint32_t importance); /* 0 to 100 */
AM_PUBLIC int am_mark_hot(am_client *client, const am_id *const *ids, size_t count); /* the seed's: restore soon */
/* Give a private unit to the realm (agent NULL) or to one agent's private space; *shared is its id there. A rope goes
 * to the realm only, with all that stands below. */
AM_PUBLIC int am_share(am_client *client, const am_id *id, const char *agent, am_id *shared);

/* Ropes. pieces name units that exist; the rope keeps them. */
AM_PUBLIC int am_rope(am_client *client, int type, const am_piece *pieces, size_t count, uint32_t flags, am_unit *rope);
/* Names for what changes: a head is a name in this agent's space that points at a unit and owns it. */
AM_PUBLIC int am_head_set(am_client *client, const char *name, const am_id *id);   /* id NULL: remove */
AM_PUBLIC int am_head_get(am_client *client, const char *name, am_id *id);

/* A conversation: a rope under a head, appended to without rewriting what stands before. */
typedef struct am_conversation am_conversation;
AM_PUBLIC int am_conversation_open(am_client *client, const char *name, am_conversation **conversation);
AM_PUBLIC void am_conversation_close(am_conversation *conversation);
/* Append one block; starts says that it begins a message. The head moves when the call returns. */
AM_PUBLIC int am_conversation_append(am_conversation *conversation, int type, const void *data, uint64_t length,
                                     bool starts);
AM_PUBLIC uint64_t am_conversation_messages(const am_conversation *conversation);
AM_PUBLIC uint64_t am_conversation_pieces(const am_conversation *conversation);
AM_PUBLIC uint64_t am_conversation_length(const am_conversation *conversation); /* bytes */
AM_PUBLIC int am_conversation_id(const am_conversation *conversation, am_id *id);
/* The n-th leaf (0 first), and the pieces [*first, *last) of the n-th message. */
AM_PUBLIC int am_conversation_piece(am_conversation *conversation, uint64_t n, am_piece *piece);
AM_PUBLIC int am_conversation_message(am_conversation *conversation, uint64_t n, uint64_t *first, uint64_t *last);

/* The agent itself, or with a name any agent of this user. */
AM_PUBLIC int am_agent_state(am_client *client, const char *agent, int state); /* AM_PAUSED evicts, AM_ACTIVE pre-faults */
AM_PUBLIC int am_agent_importance(am_client *client, const char *agent, uint32_t importance);
AM_PUBLIC int am_agent_forget(am_client *client, const char *agent); /* disown everything of a durable agent */
/* Everything the broker counts, as JSON (docs/formats/agentmem.md); free() it. */
AM_PUBLIC int am_stats(am_client *client, char **json);
/* What this agent has, likewise: {"heads": {name: id}, "owned": [id]}, ids in hexadecimal, in no order. */
AM_PUBLIC int am_inventory(am_client *client, char **json);
AM_PUBLIC int am_agents(am_client *client, char **json); /* every agent of this broker, likewise */

#ifdef __cplusplus
}
#endif
#endif
