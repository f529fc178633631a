/* What the files of the kernel backend share: the module behind /dev/agentmem in place of a broker. Not
 * installed.
 *
 * Two nouns. A *file* is the open device, which is one client of the module (agentmem_ioctl.h). A *held*
 * place is one am_unit in somebody's hands: the module's reference and its mapping. The place's number, not
 * the module's, is am_unit.reference, so that it stays what it is when am_reconnect takes another file.
 *
 * Locks: `file` for reading around every call and what follows from it, for writing while am_reconnect
 * changes files; below it `places`, which guards the array. After a fork the child touches neither.
 */
#ifndef AM_KERNEL_H
#define AM_KERNEL_H

#include <pthread.h>

#include "agentmem_ioctl.h"
#include "client.h"

struct am_held {
    void *at;        /* NULL: a free place */
    uint64_t length; /* of the unit */
    am_id id;
    uint32_t reference; /* the module's; 0: the unit is not there any more, only its mapping */
    uint32_t next;      /* the free place behind this one; 0: none */
};

struct am_kernel {
    pthread_rwlock_t file;
    pthread_mutex_t places;
    struct am_held *held; /* place 0 is never used */
    uint32_t count, room, free;
    uint64_t epoch;
    uint32_t references; /* that one file may hold */
};

/* kernel_call.c: one request. On an error am_error has the text; `what` says what was wanted ("publish 5
 * bytes"). The lock `file` is the caller's. */
int am_kernel_call(int fd, unsigned long call, void *request, size_t bytes, const char *what);
/* The same with the lock taken and forks looked at. */
int am_kernel_ask(struct am_client *client, unsigned long call, void *request, size_t bytes,
                  const char *what);
#define AM_KERNEL_ASK(client, call, request, what)                                                           \
    am_kernel_ask((client), (call), (request), sizeof *(request), (what))
int am_kernel_enter(struct am_client *client); /* take `file` for reading; AM_EFORKED */
void am_kernel_leave(struct am_client *client);

/* kernel.c */
bool am_kernel_is_device(const char *path); /* it names the module's device, there or not */
bool am_kernel_offered(void);               /* the device is there and this user may open it */
int am_kernel_connect(struct am_client *client);
int am_kernel_reconnect(struct am_client *client);
void am_kernel_close(struct am_client *client, bool in_child);
/* AM_EUNSUPPORTED, in words: what only the broker has. */
int am_kernel_lacks(const char *what);

/* kernel_held.c */
int am_held_take(struct am_client *client, const struct agentmem_placed *placed,
                 am_unit *unit); /* lock: file */
void am_held_give(struct am_client *client, uint32_t place);
/* Put the mappings of the file `to` in place of those there are. Lock: file, for writing. */
int am_held_move(struct am_client *client, int to);
void am_held_free(struct am_client *client, bool in_child);

/* kernel_unit.c: as the functions of agentmem.h, their arguments checked. */
int am_kernel_identify(struct am_client *client, int type, const void *data, uint64_t length,
                       bool private_space, am_id *id);
int am_kernel_acquire(struct am_client *client, const am_id *id, am_unit *unit);
void am_kernel_release(struct am_client *client, uint32_t place);
int am_kernel_publish(struct am_client *client, int type, const void *data, uint64_t length, uint32_t flags,
                      am_unit *unit);
int am_kernel_own(struct am_client *client, const am_id *id);
int am_kernel_disown(struct am_client *client, const am_id *id);
int am_kernel_mark(struct am_client *client, const am_id *id, uint32_t importance);
int am_kernel_heat(struct am_client *client, const am_id *id);

/* kernel_agent.c: agent NULL is the client's own; 0 and 0xffffffff leave state and importance. */
int am_kernel_state(struct am_client *client, const char *agent, uint32_t state, uint32_t importance);
int am_kernel_forget(struct am_client *client, const char *agent);
int am_kernel_stats(struct am_client *client, char **json);
int am_kernel_agents(struct am_client *client, char **json);
int am_kernel_inventory(struct am_client *client, char **json);

#endif
