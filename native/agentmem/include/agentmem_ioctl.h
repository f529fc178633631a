/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctl interface of /dev/agentmem, the optional kernel backend of libagentmem. This header is
 * the contract between native/agentmem/kmod and whoever opens the device; agentmem.h says what
 * units, realms, agents, references and owning mean. The kernel demands GPL-2.0 of a module; the
 * note lets programs of any licence use this header.
 *
 * A call. Every request is one struct that begins with struct agentmem_head. Set head.bytes to the
 * size of the struct, head.abi to AGENTMEM_ABI, all that is not used to zero, and call ioctl(fd,
 * AGENTMEM_..., &request).
 *   ioctl = 0   the kernel took the request: head.status is AM_OK or an enum am_status (negative).
 *       On an error no other output field is changed; head.about is the offset of the field the
 *       error is about, or 0.
 *   ioctl = -1  no request was read: errno is ENOTTY (no such call), EINVAL (a size smaller than
 *       the call's first version, or head.bytes differs from the size in the call's number), E2BIG
 *       (a longer struct whose tail is not zero: a newer program asks what this kernel does not
 *       know), EFAULT (the struct itself cannot be read or written), EINTR (a fatal signal). After
 *       EFAULT on the way back, what was done is undone where it gave a reference.
 * A longer struct with a zero tail works on an older kernel, a shorter one on a newer kernel:
 * fields are only added. Another head.abi is AM_EPROTOCOL. Fields are little-endian; pointers are
 * 64 bit numbers; 32 bit programs use the same structs. Unknown flags, non-zero spare fields:
 * AM_EINVAL.
 *
 * Attachment. An open file is one client: AGENTMEM_ATTACH once, then the rest (before it:
 * AM_EPROTOCOL, except INFO, STATS and AGENT). Its user is who opened the file. A realm belongs to
 * its user: the same name of another user is another realm. All references go when the last
 * descriptor of the file is closed and its last mapping is gone, however the process died; the agent
 * ends with its last client or with the process given as pid (looked at once a second), and what it
 * owned is disowned then.
 * Agents are never durable here: nothing survives the module. The broker is the durable backend.
 *
 * Bytes. A reference gives an offset; mmap(NULL, length, PROT_READ, MAP_SHARED or MAP_PRIVATE, fd,
 * offset) maps the unit's own pages, read-only for ever: PROT_WRITE, PROT_EXEC and mprotect to them
 * are refused (EACCES), children of a fork do not get the mapping. A unit's last page ends in
 * zeros. Any page-aligned part of a unit may be mapped, at offset + start; nothing beyond its last
 * page (EINVAL). An offset has the reference above its lowest 32 bits; those of a 32 bit program
 * end at 44 bits, so it can map references below 4096. A mapping holds the unit by itself: it
 * stays as it is after RELEASE and after the file is closed.
 *
 * Tiers. Only AM_HOT (pages) and AM_WARM (compressed in kernel memory). A unit without references
 * and mappings may become warm, text only: when its agents are idle or paused, or when the kernel
 * wants memory. There is no disk behind it: a unit published as AGENTMEM_DROPPABLE may be lost when
 * the kernel wants memory and nothing can be compressed any more; a later acquire says
 * AM_ENOTFOUND. Without that flag nothing that is owned is ever lost.
 *
 * Not here: ropes, heads and share (form other than AM_RAW is AM_ETYPE). They need names that
 * outlive a boot.
 */
#ifndef AGENTMEM_IOCTL_H
#define AGENTMEM_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define AGENTMEM_ABI 1
#define AGENTMEM_DEVICE "/dev/agentmem"
#define AGENTMEM_NAME_BYTES 256 /* with the final zero; UTF-8 without control characters */
#define AGENTMEM_LARGEST_UNIT (1ULL << 31)

/*
 * The values of enum am_status, am_type, am_form, am_tier and am_agent_state are those of
 * agentmem.h.
 */

struct agentmem_head {
	__u32 bytes;    /* in: size of the whole struct */
	__u16 abi;      /* in: AGENTMEM_ABI */
	__u16 spare;    /* in: 0 */
	__s32 status;   /* out */
	__u32 about;    /* out: offset of the refused field, or 0 */
};

/* What this kernel offers; needs no attachment. */
struct agentmem_info {
	struct agentmem_head head;
	__u64 epoch;            /* out: differs after each load of the module */
	__u64 largest_unit;     /* out */
	__u64 total_bytes;      /* out: limits, see "stats" */
	__u64 agent_bytes;
	__u32 agent_units;
	__u32 references;       /* out: of one client */
	__u32 page_bytes;       /* out */
	__u32 spare;
};

/*
 * Become a client. An agent of this realm and name is joined, or made. Refused: importance > 100,
 * an empty name or one with control characters, a name without its final zero, another user's
 * process, flags. AM_EBUSY: attached already, or too many agents.
 */
struct agentmem_attach {
	struct agentmem_head head;
	char realm[AGENTMEM_NAME_BYTES]; /* in */
	char agent[AGENTMEM_NAME_BYTES]; /* in */
	__u32 importance;       /* in: 0 to 100; replaces the agent's */
	__u32 flags;            /* in: 0; AGENTMEM_DURABLE is AM_EINVAL */
	__s32 pid;              /* in: 0: the caller's; else a process of the same user */
	__u32 number;           /* out: of the agent */
	__u32 space;            /* out: of its private space; the realm's is 0 */
	__u32 spare;
	__u64 epoch;            /* out */
};
#define AGENTMEM_DURABLE 1u

/* Where a unit is. Filled by PUBLISH and ACQUIRE. */
struct agentmem_placed {
	__u8 id[32];
	__u64 length;
	__u64 offset;           /* for mmap; 0 without a reference */
	__u32 number;           /* of the unit in its realm, from 1: the lowest 32 bits of it */
	__u32 reference;        /* of this client, from 1; 0: none */
	__u8 type;
	__u8 form;              /* AM_RAW */
	__u8 tier;              /* AM_HOT, or AM_WARM without a reference */
	__u8 existed;           /* the content was there already */
	__u32 spare;
};

/*
 * Store content, own it, refer to it. length 1 to largest_unit. AM_CONVERSATION goes to the agent's
 * private space unless AGENTMEM_SHARED. AM_EINVAL: data cannot be read, or unknown flags; AM_ESIZE;
 * AM_ETYPE; AM_EQUOTA: the agent's bytes, units or references, or all there may be; AM_ENOMEM;
 * AM_EACCESS: the agent was killed.
 */
struct agentmem_publish {
	struct agentmem_head head;
	__u64 data;             /* in: address */
	__u64 length;           /* in: bytes */
	__u32 type;             /* in: enum am_type */
	__u32 form;             /* in: AM_RAW */
	__u32 flags;            /* in: as of am_publish, and AGENTMEM_DROPPABLE */
	__u32 spare;
	struct agentmem_placed placed; /* out */
};
#define AGENTMEM_PRIVATE 1u
#define AGENTMEM_SHARED 2u
#define AGENTMEM_NO_REFERENCE 4u
#define AGENTMEM_DROPPABLE 8u   /* can be made again; counts while all publishers said so */

/*
 * The id these bytes have, without storing them. flags: AGENTMEM_PRIVATE or AGENTMEM_SHARED or 0.
 */
struct agentmem_identify {
	struct agentmem_head head;
	__u64 data;
	__u64 length;
	__u32 type;
	__u32 flags;
	__u8 id[32];            /* out: BLAKE2s-256 keyed by the space, over type (1 byte) and bytes */
};

/*
 * A reference to a unit of this realm or this agent's private space; a warm one is restored first.
 * AM_ENOTFOUND also for what is another's: there is no way to tell.
 */
struct agentmem_acquire {
	struct agentmem_head head;
	__u8 id[32];            /* in */
	struct agentmem_placed placed; /* out */
};

/* Give a reference back. AM_ENOTFOUND: not held. */
struct agentmem_release {
	struct agentmem_head head;
	__u32 reference;        /* in */
	__u32 spare;
};

/*
 * What the client's agent owns, page by page: up to AGENTMEM_OWNED_IDS units, those with the
 * smallest numbers above `after`. Give `last` as the next call's `after`; fewer than
 * AGENTMEM_OWNED_IDS: these are the last. Between two calls units may come and go: one that was
 * owned all the while is listed once, in its place.
 */
#define AGENTMEM_OWNED_IDS 64
struct agentmem_owned {
	struct agentmem_head head;
	__u64 after;            /* in: 0 for the first */
	__u64 last;             /* out: number of the last one here; `after` where there is none */
	__u32 count;            /* out */
	__u32 spare;            /* in: 0 */
	__u8 id[AGENTMEM_OWNED_IDS][32]; /* out: zeros behind `count` */
};

/*
 * OWN, DISOWN: of the client's agent. Owning twice is owning once; disowning what is not owned is
 * AM_ENOTFOUND. MARK: importance of the unit, for every owner.
 */
struct agentmem_unit {
	struct agentmem_head head;
	__u8 id[32];            /* in */
	__u32 importance;       /* in: MARK: 0 to 100; else 0 */
	__u32 spare;
};

/*
 * STATE: of an agent of this realm. AM_PAUSED: its private text units without references are
 * compressed before the call returns. AM_KILLED: as FORGET, and its clients may not publish, own or
 * acquire any more (AM_EACCESS). FORGET: disown everything; state and importance are 0 and
 * AGENTMEM_LEAVE.
 */
struct agentmem_state {
	struct agentmem_head head;
	char agent[AGENTMEM_NAME_BYTES]; /* in: empty: the client's own */
	__u32 state;            /* in: enum am_agent_state, or AGENTMEM_LEAVE */
	__u32 importance;       /* in: 0 to 100, or AGENTMEM_LEAVE */
};
#define AGENTMEM_LEAVE 0xffffffffu

struct agentmem_tier_figures { __u64 units, raw_bytes, stored_bytes; };
struct agentmem_type_figures { __u64 units, logical_bytes, unique_bytes, stored_bytes; };

/*
 * The caller's realms; of all users for who has CAP_SYS_ADMIN. The same figures as
 * /proc/agent_stats (names as in docs/formats/agentmem-stats.md).
 */
struct agentmem_stats {
	struct agentmem_head head;
	__u64 epoch;
	__u64 agents, realms, readers, units, references;
	__u64 publishes, found, acquires;
	__u64 restores_warm, evictions_warm, freed, dropped, broken;
	__u64 shrinker_runs;    /* how often the kernel asked for memory */
	__u64 total_bytes;      /* limit on stored bytes of all users (module parameter); 0: none */
	__u64 agent_bytes;      /* limits of one agent: logical bytes, units; 0: none */
	__u64 agent_units;
	__u64 spare[4];
	struct agentmem_tier_figures tier[4]; /* by enum am_tier; 0 and AM_COLD are zero */
	struct agentmem_type_figures type[6]; /* by enum am_type; 0 is zero */
};

/*
 * One agent that the caller may see: the one with the smallest number above `after`. AM_ENOTFOUND:
 * no more.
 */
struct agentmem_agent {
	struct agentmem_head head;
	__u32 after;            /* in: 0 for the first */
	__u32 number;           /* out, and all below */
	char realm[AGENTMEM_NAME_BYTES];
	char agent[AGENTMEM_NAME_BYTES];
	__u32 state;
	__u32 importance;
	__s32 pid;              /* as the caller's namespace numbers it; 0: not there */
	__u32 space;
	__u64 connections, references, units;
	__u64 logical_bytes, shared_bytes, private_bytes;
	__u64 opened_ms, used_ms; /* CLOCK_BOOTTIME */
	struct agentmem_tier_figures tier[4];
	struct agentmem_type_figures type[6];
};

#define AGENTMEM_MAGIC 0xAE
#define AGENTMEM_INFO     _IOWR(AGENTMEM_MAGIC, 0, struct agentmem_info)
#define AGENTMEM_ATTACH   _IOWR(AGENTMEM_MAGIC, 1, struct agentmem_attach)
#define AGENTMEM_PUBLISH  _IOWR(AGENTMEM_MAGIC, 2, struct agentmem_publish)
#define AGENTMEM_IDENTIFY _IOWR(AGENTMEM_MAGIC, 3, struct agentmem_identify)
#define AGENTMEM_ACQUIRE  _IOWR(AGENTMEM_MAGIC, 4, struct agentmem_acquire)
#define AGENTMEM_RELEASE  _IOWR(AGENTMEM_MAGIC, 5, struct agentmem_release)
#define AGENTMEM_OWN      _IOWR(AGENTMEM_MAGIC, 6, struct agentmem_unit)
#define AGENTMEM_DISOWN   _IOWR(AGENTMEM_MAGIC, 7, struct agentmem_unit)
#define AGENTMEM_MARK     _IOWR(AGENTMEM_MAGIC, 8, struct agentmem_unit)
#define AGENTMEM_STATE    _IOWR(AGENTMEM_MAGIC, 9, struct agentmem_state)
#define AGENTMEM_FORGET   _IOWR(AGENTMEM_MAGIC, 10, struct agentmem_state)
#define AGENTMEM_STATS    _IOWR(AGENTMEM_MAGIC, 11, struct agentmem_stats)
#define AGENTMEM_AGENT    _IOWR(AGENTMEM_MAGIC, 12, struct agentmem_agent)
#define AGENTMEM_OWNED    _IOWR(AGENTMEM_MAGIC, 13, struct agentmem_owned)

#endif
