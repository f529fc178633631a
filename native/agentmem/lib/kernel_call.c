/* One request to the module: its head, and its refusal in words.
 *
 * Follows agentmem_ioctl.h. Does not know what a request means, but for the words that a status has whatever
 * was asked. Invariant: whoever holds `file` for reading uses the descriptor that is in client->fd all the
 * while.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "kernel.h"

int am_kernel_enter(struct am_client *client)
{
    if (!atomic_load(&client->forked)) {
        pthread_rwlock_rdlock(&client->kernel->file);
        return 0;
    }
    return am_client_fail(AM_EFORKED,
                          "this client was made in the parent of a fork; connect again in the child");
}

void am_kernel_leave(struct am_client *client)
{
    pthread_rwlock_unlock(&client->kernel->file);
}

/* The ioctl itself failed: no request was read. */
static int unread(const char *what)
{
    const int error = errno;
    if (error == ENOTTY || error == E2BIG || error == EINVAL)
        return am_client_fail(AM_EPROTOCOL, "%s does not know how to %s; load the module of this version",
                              AGENTMEM_DEVICE, what);
    if (error == ENOMEM)
        return am_client_fail(AM_ENOMEM, "the kernel has no memory to %s", what);
    if (error == EINTR)
        return am_client_fail(AM_EBUSY, "a signal came before the kernel could %s; try again", what);
    return am_client_fail(AM_EBROKER, "%s cannot %s: %s", AGENTMEM_DEVICE, what, strerror(error));
}

/* Words that are right for every call; who knows better says so instead. */
static int refused(int status, const char *what)
{
    switch (status) {
    case AM_ENOTFOUND:
        return am_client_fail(status, "cannot %s: no unit of this id in this realm; publish it", what);
    case AM_EQUOTA:
        return am_client_fail(
            status,
            "cannot %s: the agent's quota of bytes, units or references, or all that may be "
            "stored, is used up; disown or release some, or raise agent_bytes, agent_units or "
            "total_bytes in /sys/module/agentmem/parameters",
            what);
    case AM_ENOMEM:
        return am_client_fail(status,
                              "cannot %s: the kernel has no memory and nothing more can be compressed", what);
    case AM_ECORRUPT:
        return am_client_fail(status, "cannot %s: the unit's stored bytes are broken; it is lost", what);
    case AM_EACCESS:
        return am_client_fail(status, "cannot %s: the agent was killed; close its clients and connect again",
                              what);
    case AM_EPROTOCOL:
        return am_client_fail(
            status, "cannot %s: %s speaks another version than this library; install the same of both", what,
            AGENTMEM_DEVICE);
    case AM_EBUSY:
        return am_client_fail(
            status, "cannot %s: the module has all that it takes; end some agents or try again", what);
    default:
        return am_client_fail(status, "cannot %s: the module says %s", what, am_status_name(status));
    }
}

int am_kernel_call(int fd, unsigned long call, void *request, size_t bytes, const char *what)
{
    struct agentmem_head *head = request;
    *head = (struct agentmem_head){.bytes = (uint32_t)bytes, .abi = AGENTMEM_ABI};
    if (ioctl(fd, call, request) != 0)
        return unread(what);
    if (head->status > 0)
        return am_client_fail(AM_EPROTOCOL, "%s answers with a status that there is not: %d", AGENTMEM_DEVICE,
                              head->status);
    return head->status == AM_OK ? 0 : refused(head->status, what);
}

int am_kernel_ask(struct am_client *client, unsigned long call, void *request, size_t bytes, const char *what)
{
    int status = am_kernel_enter(client);
    if (status != 0)
        return status;
    status = am_kernel_call(client->fd, call, request, bytes, what);
    am_kernel_leave(client);
    return status;
}
