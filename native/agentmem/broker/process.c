/* See process.h. */
#include "process.h"

#include "agentmem.h"
#include "kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

bool am_process_start(int32_t pid, uint64_t *start)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (am_kernel_file(path, text, sizeof text) <= 0)
        return false;
    /* Field 2 is the name in brackets and may hold anything, brackets and spaces too: count from its last
     * one. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at) {
        errno = EINVAL;
        return false;
    }
    *start = strtoull(at + 1, NULL, 10);
    return true;
}

static bool user_of(int32_t pid, uid_t *user)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (am_kernel_file(path, text, sizeof text) <= 0)
        return false;
    unsigned real, effective;
    const char *at = strstr(text, "\nUid:");
    if (!at || sscanf(at + 5, "%u %u", &real, &effective) != 2)
        return false;
    *user = effective;
    return true;
}

bool am_process_ended(int pidfd)
{
    struct pollfd wait = {pidfd, POLLIN, 0};
    return poll(&wait, 1, 0) == 1;
}

/* start and user by pid, true for certain because the pidfd says afterwards that the process is still
 * there. */
static int complete(struct am_process *process, bool user_too)
{
    const bool read = am_process_start(process->pid, &process->start)
                      && (!user_too || user_of(process->pid, &process->user));
    if (read && !am_process_ended(process->pidfd))
        return AM_OK;
    close(process->pidfd);
    process->pidfd = -1;
    return AM_ENOTFOUND;
}

static int pidfd_of(int32_t pid, int *pidfd)
{
    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*pidfd >= 0)
        return AM_OK;
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? AM_EFILES : AM_ENOTFOUND;
}

int am_process_open(int32_t pid, struct am_process *process)
{
    struct am_process found = {.pid = pid, .pidfd = -1};
    if (pid <= 0)
        return AM_ENOTFOUND;
    int status = pidfd_of(pid, &found.pidfd);
    if (status == AM_OK)
        status = complete(&found, true);
    if (status == AM_OK)
        *process = found;
    return status;
}

int am_process_of_peer(int socket, struct am_process *process)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    *process = (struct am_process){.pidfd = -1, .user = (uid_t)-1};
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return AM_EBROKER;
    process->user = peer.uid;
    if (peer.pid <= 0)
        return AM_OK; /* its end is then seen by the end of the connection only */
    process->pid = peer.pid;
    bytes = sizeof process->pidfd;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &process->pidfd, &bytes) == 0)
        fcntl(process->pidfd, F_SETFD, FD_CLOEXEC);
    else {
        process->pidfd = -1;
        if (errno == EMFILE || errno == ENFILE)
            return AM_EFILES;
        if (errno != ENOPROTOOPT)
            return AM_EBROKER; /* it has ended and been reaped */
        const int status = pidfd_of(peer.pid, &process->pidfd);
        if (status != AM_OK)
            return status == AM_EFILES ? status : AM_EBROKER;
        /* Without SO_PEERPIDFD the pid may be a stranger's by now; another user's would show. */
        uid_t user;
        if (!user_of(peer.pid, &user) || user != peer.uid) {
            close(process->pidfd);
            process->pidfd = -1;
            return AM_EBROKER;
        }
    }
    return complete(process, false) == AM_OK ? AM_OK : AM_EBROKER;
}
