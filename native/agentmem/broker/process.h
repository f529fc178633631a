/* A process that an agent lives in: its pid, its user, and a pidfd that tells of its end.
 *
 * It knows nothing of agents. Invariant: what is returned belongs to one process for certain, also when the
 * pid has been given to another since: the pidfd is the peer's own (SO_PEERPIDFD), or start time and user
 * were read while the pidfd said that the process had not ended.
 */
#ifndef AM_PROCESS_H
#define AM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct am_process {
    int32_t pid;    /* 0: not visible from here (another pid namespace) */
    uid_t user;
    uint64_t start; /* clock ticks since boot, /proc/PID/stat field 22; 0 with pid 0 */
    int pidfd;      /* the caller's to close; -1 with pid 0 */
};

/* The process that connected this socket. AM_EBROKER: it has gone; AM_EFILES. *user is set whenever it is
 * known. */
int am_process_of_peer(int socket, struct am_process *process);
/* Any process by number: AM_ENOTFOUND, AM_EFILES. */
int am_process_open(int32_t pid, struct am_process *process);
bool am_process_ended(int pidfd);
/* When the process began, in clock ticks since boot; false with errno: ENOENT or ESRCH, there is none. */
bool am_process_start(int32_t pid, uint64_t *start);

#endif
