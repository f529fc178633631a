/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module know of each other. The contract with user space is
 * agentmem_ioctl.h.
 *
 * Locks, from the outside in:
 *   client->attaching  (mutex)  one ATTACH of an open file at a time
 *   unit->restoring    (mutex)  one restore of a unit at a time; memory is allocated under it, so
 *                               reclaim never takes it
 *   am_packer          (mutex)  the compressor's work space; reclaim only tries it
 *   am_unpacker        (mutex)  the decompressor's
 *   client->references (spin)   the xarray's own: what it finds becomes a holder under it
 *   am_lock            (spin)   the table's writers, lists, tiers, pins, owners, agents, figures;
 *                               nothing under it sleeps or asks for memory that reclaim must find
 * Readers of the table look under RCU and become holders under am_lock, only above zero.
 *
 * A unit has two counts. Holders (under am_lock): one for each link of an owner, each reference of
 * a client, each mapping and each call that is at work with it; the last one to go takes the unit
 * out of the table in the same breath, so a unit that nobody holds is not found, whoever compresses
 * it at that moment. All holders together are one of refs; each worker that looks at the unit while
 * it does not hold am_lock is one more; the last of refs frees the bytes. Pins are the holders that
 * need the bytes hot.
 */
#ifndef AGENTMEM_INSIDE_H
#define AGENTMEM_INSIDE_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../include/agentmem_ioctl.h"

#define AM_ID 32

/* As in agentmem.h, which is written for user space. */
enum am_status {
	AM_OK = 0, AM_EINVAL = -1, AM_ENOTFOUND = -2, AM_ETYPE = -3, AM_ESIZE = -4, AM_EQUOTA = -6,
	AM_ENOMEM = -7, AM_ECORRUPT = -9, AM_EACCESS = -10, AM_EPROTOCOL = -13, AM_EBUSY = -14,
	AM_INTERRUPTED = -1000, /* never leaves the module: the call returns EINTR */
};
enum am_type {
	AM_CONVERSATION = 1, AM_SYSTEM_PROMPT, AM_TOOL_DEF, AM_TOOL_RESULT, AM_KV_PAGE, AM_TYPES,
};
enum am_form { AM_RAW = 1 };
enum am_tier { AM_HOT = 1, AM_WARM, AM_COLD, AM_TIERS };
enum am_agent_state { AM_ACTIVE = 1, AM_IDLE, AM_PAUSED, AM_KILLED };

struct am_figures {
	struct agentmem_tier_figures tier[AM_TIERS];
	struct agentmem_type_figures type[AM_TYPES];
};

struct am_counts {
	u64 publishes, found, acquires, restores, evictions, freed, dropped, broken;
};

struct am_realm {
	struct list_head node;
	struct kref refs;       /* of agents and units */
	kuid_t user;
	u64 numbers;            /* of units, given so far: none is given twice */
	struct am_figures is;
	struct am_counts counts;
	u8 key[AM_ID];
	char name[AGENTMEM_NAME_BYTES];
};

struct am_agent {
	struct list_head node;
	struct kref refs;
	struct am_realm *realm;
	struct rb_root owned;   /* am_owner.in_agent, by the number of the unit */
	struct pid *pid;
	u32 number, state, importance, connections;
	atomic64_t references;
	u64 units, logical, own; /* own: logical bytes in its private space */
	struct am_figures is;   /* tiers and types of what it owns and is private; logical of all */
	u64 opened_ms, used_ms;
	u8 key[AM_ID];
	char name[AGENTMEM_NAME_BYTES];
};

struct am_packed;

struct am_unit {
	struct rhash_head node;
	u8 id[AM_ID];
	struct kref refs;
	struct am_realm *realm;
	u32 space;              /* 0, or the number of the agent it is private to */
	u32 importance;
	u64 number;             /* in its realm, while it is in the table */
	u64 holders, pins;
	u8 type;
	bool droppable;
	bool cooling;           /* somebody compresses it: hot stays */
	bool unfit;             /* compressing did not pay */
	u64 length, used_ms;
	void *hot;              /* vmalloc, whole pages; never written after the unit is in the table */
	struct am_packed *packed; /* exactly one of both is there */
	struct mutex restoring;
	struct list_head shelf; /* while nothing pins it */
	struct list_head owners; /* am_owner.in_unit */
	struct rcu_head rcu;
};

struct am_owner {
	struct list_head in_unit;
	struct rb_node in_agent;
	struct am_unit *unit;
	struct am_agent *agent;
};

struct am_client {
	kuid_t user;
	struct mutex attaching;
	struct am_agent *agent; /* set once; read with smp_load_acquire */
	struct xarray references;
};

extern spinlock_t am_lock;
extern struct mutex am_packer;
extern u64 am_epoch;
extern struct list_head am_realms, am_agents;
extern struct am_counts am_gone;  /* of realms that are no more */
extern u32 am_agent_count, am_readers;
extern u64 am_shrinks;
extern struct workqueue_struct *am_queue;

/* Module parameters (main.c), which root may change at any time: to be read once. */
extern unsigned long am_total_bytes, am_agent_bytes;
extern unsigned int am_agent_units, am_agents_most, am_references_most, am_idle_after_ms;

/* hash.c: bytes of user space or of the kernel to an id. */
int am_hash_user(const u8 *key, u8 type, u64 address, u64 length, u8 *id);
int am_hash(const u8 *key, u8 type, const void *bytes, u64 length, u8 *id);

/* realm.c */
struct am_realm *am_realm_get(kuid_t user, const char *name, struct am_realm *spare);
struct am_realm *am_realm_new(kuid_t user, const char *name);
void am_realm_put(struct am_realm *realm);
bool am_name_is_good(const char *name);
u64 am_now_ms(void);

/* table.c */
int am_table_start(void);
void am_table_stop(void);
struct am_unit *am_table_find(const u8 *id, const struct am_agent *agent);
struct am_unit *am_table_insert(struct am_unit *unit);
void am_unit_hold(struct am_unit *unit);
void am_unit_put(struct am_unit *unit);
void am_unit_unwatch(struct am_unit *unit);

/* unit.c */
int am_reserve(u64 bytes);
void am_unreserve(u64 bytes);
void am_stored_became(u64 before, u64 after);
u64 am_stored(void);
u64 am_hot_bytes(const struct am_unit *unit);
struct am_unit *am_unit_new(struct am_agent *agent, const struct agentmem_publish *ask,
			    int *status);
void am_unit_free(struct am_unit *unit);
int am_unit_pin(struct am_unit *unit);
void am_unit_pin_again(struct am_unit *unit);
void am_unit_unpin(struct am_unit *unit);
bool am_is_text(const struct am_unit *unit);

/* pack.c */
int am_pack_start(void);
void am_pack_stop(void);
struct am_packed *am_pack(const void *bytes, u64 length, u64 most, gfp_t gfp);
int am_unpack(const struct am_packed *packed, void *bytes, u64 length);
void am_packed_free(struct am_packed *packed);
u64 am_packed_bytes(const struct am_packed *packed);

/* choose.c: which units go first. Lists of units that nothing pins. */
#define AM_CHOICE 16
enum am_shelf { AM_SHELF_HOT, AM_SHELF_REST, AM_SHELF_WARM, AM_SHELVES };
void am_shelve(struct am_unit *unit);
void am_unshelve(struct am_unit *unit);
unsigned long am_shelved_pages(void);
unsigned int am_choose(bool drop, bool idle_only, struct am_unit **chosen);

/* cool.c */
long am_cool(struct am_unit *unit, gfp_t gfp);
void am_cool_agent(struct am_agent *agent);
unsigned long am_give_back(unsigned long pages, bool reclaim);

/* shrink.c, watch.c */
int am_shrink_start(void);
void am_shrink_stop(void);
int am_watch_start(void);
void am_watch_stop(void);
void am_watch_arm(void);

/* owner.c */
int am_own(struct am_agent *agent, struct am_unit *unit, bool droppable);
int am_disown(struct am_agent *agent, const u8 *id);
void am_disown_all(struct am_agent *agent);
void am_owned(const struct am_agent *agent, struct agentmem_owned *out);
struct am_owner *am_owner_above(const struct am_agent *agent, u64 number); /* under am_lock */
struct am_owner *am_owner_next(const struct am_owner *owner); /* likewise */
unsigned int am_drop(struct am_unit *unit);
bool am_quota_left(struct am_agent *agent, u64 length);

/* agent.c */
struct am_agent *am_agent_join(struct am_client *client, struct agentmem_attach *ask, int *status);
void am_agent_leave(struct am_agent *agent);
struct am_agent *am_agent_find(const struct am_realm *realm, const char *name);
void am_agent_put(struct am_agent *agent);
void am_agent_state(struct am_agent *agent, u32 state, u32 importance);
int am_agent_used(struct am_agent *agent);
s32 am_agent_pid(const struct am_agent *agent, struct pid_namespace *space);

/* figures.c; the caller holds am_lock for all but am_figures */
void am_tally(struct am_unit *unit, int sign);
void am_tally_owner(struct am_unit *unit, struct am_agent *agent, int sign);
void am_counts_add(struct am_counts *to, const struct am_counts *of);
bool am_may_see(kuid_t user, kuid_t viewer, bool all);
void am_figures(kuid_t viewer, bool all, struct agentmem_stats *out);
int am_figures_agent(kuid_t viewer, bool all, struct agentmem_agent *out);

/* client.c, map.c, calls.c, request.c, device.c, proc.c */
int am_client_place(struct am_client *client, struct am_unit *unit, bool existed, bool refer,
		    struct agentmem_placed *placed);
struct am_unit *am_client_unit(struct am_client *client, u32 reference);
int am_client_release(struct am_client *client, u32 reference);
struct am_client *am_client_new(kuid_t user);
void am_client_free(struct am_client *client);
int am_map(struct file *file, struct vm_area_struct *area);
struct am_call {
	int (*answer)(struct am_client *client, void *request);
	size_t bytes;
	bool attached;
};
extern const struct am_call am_calls[];
extern const unsigned int am_calls_count;
int am_refuse(struct agentmem_head *head, size_t about, int why);
long am_request(struct am_client *client, unsigned int command, void __user *to);
int am_device_start(void);
void am_device_stop(void);
int am_proc_start(void);
void am_proc_stop(void);

#define AM_REFERENCE_SHIFT (32 - PAGE_SHIFT) /* of a page offset: above it the reference */

#endif
