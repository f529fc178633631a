/* A client of the kernel module, and its life: found, opened, attached, opened again, closed.
 *
 * Does not know units. Invariants: a failed connect or reconnect leaves no descriptor; while am_reconnect
 * changes files no call is under way; the old file is closed after the new one is attached, so that the agent
 * does not end between the two.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

bool am_kernel_is_device(const char *path)
{
    struct stat is;
    return strcmp(path, AGENTMEM_DEVICE) == 0 || (stat(path, &is) == 0 && S_ISCHR(is.st_mode));
}

bool am_kernel_offered(void)
{
    struct stat is;
    return stat(AGENTMEM_DEVICE, &is) == 0 && S_ISCHR(is.st_mode)
           && access(AGENTMEM_DEVICE, R_OK | W_OK) == 0;
}

int am_kernel_lacks(const char *what)
{
    return am_client_fail(
        AM_EUNSUPPORTED,
        "the kernel module has no %s, that needs the broker: start nexus-agentmemd and name its "
        "socket (NEXUS_AGENTMEM)",
        what);
}

static int open_device(const struct am_client *client)
{
    const int fd = open(client->socket, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        return fd;
    const int error = errno;
    if (error == EACCES || error == EPERM)
        return am_client_fail(AM_EACCESS,
                              "%s is not this user's to open; load the module with mode=0666, or start "
                              "nexus-agentmemd",
                              client->socket);
    if (error == EMFILE || error == ENFILE)
        return am_client_fail(AM_EFILES,
                              "no file descriptor is left to open %s; close some or raise the limit "
                              "(ulimit -n)",
                              client->socket);
    return am_client_fail(
        error == ENOMEM ? AM_ENOMEM : AM_EBROKER,
        "no module answers at %s (%s); load it (insmod agentmem.ko), or start nexus-agentmemd",
        client->socket, strerror(error));
}

static int attach(struct am_client *client, int fd, uint64_t *epoch)
{
    struct agentmem_attach request = {.importance = client->options.importance, .pid = client->options.pid};
    strcpy(request.realm, client->realm); /* both were measured by am_connect */
    strcpy(request.agent, client->agent);
    int status = am_kernel_call(fd, AGENTMEM_ATTACH, &request, sizeof request, "attach");
    if (status == 0)
        *epoch = request.epoch;
    else if (status == AM_EINVAL && request.head.about == offsetof(struct agentmem_attach, pid))
        am_client_fail(
            status,
            "process %d is not there or another user's; give a process of this user, or 0 for your own",
            client->options.pid);
    else if (status == AM_EINVAL)
        am_client_fail(status, "the %s has a control character or is empty: give it 1 to %d bytes of text",
                       request.head.about == offsetof(struct agentmem_attach, realm) ? "realm's name"
                                                                                     : "agent's name",
                       AM_NAME_BYTES - 1);
    else if (status == AM_EBUSY)
        am_client_fail(status, "there are as many agents as the module takes; end some, or raise agents in "
                               "/sys/module/agentmem/parameters");
    else if (status == AM_EACCESS)
        am_client_fail(status, "agent %s was killed; close its clients, or take another name", client->agent);
    return status;
}

/* A file of the module, attached; or a status. */
static int open_file(struct am_client *client, uint64_t *epoch, uint32_t *references)
{
    if (client->options.durable)
        return am_kernel_lacks("durable agents");
    const int fd = open_device(client);
    if (fd < 0)
        return fd;
    struct agentmem_info info = {0};
    int status = am_kernel_call(fd, AGENTMEM_INFO, &info, sizeof info, "tell what it is");
    if (status == AM_EPROTOCOL || status == AM_EBROKER)
        am_client_fail(status = AM_EPROTOCOL, "%s is not the device of a module that this library knows",
                       client->socket);
    if (status == 0)
        status = attach(client, fd, epoch);
    if (status == 0) {
        *references = info.references;
        return fd;
    }
    close(fd);
    return status;
}

int am_kernel_connect(struct am_client *client)
{
    struct am_kernel *made = calloc(1, sizeof *made);
    if (made == NULL)
        return am_client_fail(AM_ENOMEM, "no memory for a client");
    const int fd = open_file(client, &made->epoch, &made->references);
    if (fd < 0) {
        free(made);
        return fd;
    }
    pthread_rwlock_init(&made->file, NULL);
    pthread_mutex_init(&made->places, NULL);
    client->fd = fd;
    client->kernel = made;
    return 0;
}

int am_kernel_reconnect(struct am_client *client)
{
    struct am_kernel *kernel = client->kernel;
    uint64_t epoch = 0;
    uint32_t references = 0;
    pthread_mutex_lock(&client->wire); /* one after the other */
    const int fd = open_file(client, &epoch, &references);
    int status = fd < 0 ? fd : 0;
    if (status == 0) {
        pthread_rwlock_wrlock(&kernel->file);
        const int old = client->fd;
        client->fd = fd;
        kernel->epoch = epoch;
        kernel->references = references;
        status = am_held_move(client, fd);
        pthread_rwlock_unlock(&kernel->file);
        close(old);
    }
    pthread_mutex_unlock(&client->wire);
    return status;
}

void am_kernel_close(struct am_client *client, bool in_child)
{
    am_held_free(client, in_child);
    if (!in_child) { /* in a child another thread of the parent may have held them */
        pthread_rwlock_destroy(&client->kernel->file);
        pthread_mutex_destroy(&client->kernel->places);
    }
    free(client->kernel);
    client->kernel = NULL;
}
