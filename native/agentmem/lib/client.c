/* A client: one agent's connection to one realm, and its life: connect, reconnect, fork, close.
 *
 * Does not know units. Invariants: a client is in the list of this process from am_client_create to am_close,
 * so that a child made by fork finds every one and marks it; a failed connect or reconnect leaves nothing
 * mapped and no slot taken; while am_reconnect moves references over, the free list is closed, so a slot
 * cannot change hands.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "kernel.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct am_client *registered;

static void before_fork(void)
{
    pthread_mutex_lock(&registry);
}

static void parent_after_fork(void)
{
    pthread_mutex_unlock(&registry);
}

static void child_after_fork(void)
{
    for (struct am_client *client = registered; client != NULL; client = client->registered) {
        atomic_store(&client->forked, true);
        atomic_store(&client->view, NULL);
        if (client->fd >= 0)
            close(client->fd); /* the parent's end stays open */
        client->fd = -1;
    }
    pthread_mutex_unlock(&registry);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, parent_after_fork, child_after_fork);
}

#define ARRAYS ((sizeof(uint64_t) + sizeof(uint32_t)) * AM_REFERENCES)

int am_client_create(struct am_client **client)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    struct am_client *made = calloc(1, sizeof *made);
    void *arrays =
        mmap(NULL, ARRAYS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == NULL || arrays == MAP_FAILED) {
        free(made);
        return am_client_fail(AM_ENOMEM, "no memory for a client");
    }
    made->hold = arrays;
    made->next = (_Atomic uint32_t *)(made->hold + AM_REFERENCES);
    made->fd = -1;
    made->fences = !am_barrier_register();
    pthread_mutex_init(&made->wire, NULL);
    pthread_mutex_init(&made->local, NULL);
    pthread_mutex_lock(&registry);
    made->registered = registered;
    registered = made;
    pthread_mutex_unlock(&registry);
    *client = made;
    return 0;
}

int am_client_attach(struct am_client *client, struct am_header *table, struct am_page *page)
{
    struct am_view *view = calloc(1, sizeof *view);
    void *mappings = mmap(NULL, sizeof(struct am_mapping) * AM_SEGMENTS, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (view == NULL || mappings == MAP_FAILED) {
        free(view);
        return am_client_fail(AM_ENOMEM, "no memory for a view");
    }
    *view = (struct am_view){.table = table, .page = page, .mappings = mappings, .foreign = true};
    view->welcome.epoch = atomic_load(&table->epoch);
    atomic_store(&page->fences, client->fences);
    pthread_mutex_lock(&client->local);
    am_view_enter(client, view);
    pthread_mutex_unlock(&client->local);
    return 0;
}

void am_close(am_client *client)
{
    if (client == NULL)
        return;
    bool in_child = atomic_load(&client->forked);
    pthread_mutex_lock(&registry);
    for (struct am_client **at = &registered; *at != NULL; at = &(*at)->registered)
        if (*at == client) {
            *at = client->registered;
            break;
        }
    pthread_mutex_unlock(&registry);
    if (client->kernel != NULL)
        am_kernel_close(client, in_child);
    am_wire_gone(client);
    for (struct am_view *view = client->views, *older; view != NULL; view = older) {
        older = view->older;
        am_view_free(view, in_child);
    }
    if (!in_child) { /* in a child another thread of the parent may have held them */
        pthread_mutex_destroy(&client->wire);
        pthread_mutex_destroy(&client->local);
    }
    munmap((void *)client->hold, ARRAYS);
    free(client);
}

void am_options_default(am_options *options)
{
    *options = (am_options){.importance = 50};
}

static int copy_name(char *to, size_t room, const char *from, const char *what)
{
    if (strlen(from) >= room)
        return am_client_fail(AM_EINVAL, "the %s is %zu bytes long, the longest allowed is %zu: %.60s...",
                              what, strlen(from), room - 1, from);
    if (from[0] == '\0')
        return am_client_fail(AM_EINVAL, "the %s is empty", what);
    strcpy(to, from);
    return 0;
}

/* As Home of the Python side has it: NEXUS_HOME, else the user's data folder. */
static int find_socket(char *path, size_t room)
{
    const char *named = getenv("NEXUS_AGENTMEM"), *home = getenv("NEXUS_HOME"),
               *run = getenv("XDG_RUNTIME_DIR");
    const char *data = getenv("XDG_DATA_HOME"), *user = getenv("HOME");
    if (named != NULL && named[0] != '\0')
        return copy_name(path, room, named, "socket's path in NEXUS_AGENTMEM");
    char found[4096];
    if (home != NULL && home[0] != '\0') {
        snprintf(found, sizeof found, "%s/run/agentmem.sock", home);
        return copy_name(path, room, found, "socket's path below NEXUS_HOME");
    }
    snprintf(found, sizeof found, "%s/nexus/agentmem.sock", run != NULL ? run : "");
    if (run == NULL || run[0] != '/' || access(found, F_OK) != 0) {
        if (data != NULL && data[0] == '/')
            snprintf(found, sizeof found, "%s/nexus/run/agentmem.sock", data);
        else
            snprintf(found, sizeof found, "%s/.local/share/nexus/run/agentmem.sock",
                     user != NULL ? user : "");
    }
    return copy_name(path, room, found, "socket's path");
}

/* Whether the module is to serve: where its device is named, and where nothing is named, nothing lies at the
 * socket's place and the device can be opened. A socket that is there wins although nobody may answer: what its
 * agents keep is not in the module. */
static bool wants_kernel(struct am_client *client)
{
    const char *named = getenv("NEXUS_AGENTMEM");
    if (client->options.socket != NULL || (named != NULL && named[0] != '\0'))
        return am_kernel_is_device(client->socket);
    if (client->options.durable || access(client->socket, F_OK) == 0 || !am_kernel_offered())
        return false;
    strcpy(client->socket, AGENTMEM_DEVICE);
    return true;
}

static int take_options(struct am_client *client, const am_options *options)
{
    am_options plain;
    am_options_default(&plain);
    client->options = options != NULL ? *options : plain;
    am_options *kept = &client->options;
    int status = kept->socket != NULL
                     ? copy_name(client->socket, sizeof client->socket, kept->socket, "socket's path")
                     : find_socket(client->socket, sizeof client->socket);
    if (status == 0)
        status =
            copy_name(client->realm, sizeof client->realm, kept->realm ? kept->realm : "default", "realm");
    char own[AM_NAME_BYTES];
    snprintf(own, sizeof own, "%.200s-%d", program_invocation_short_name, (int)getpid());
    if (status == 0)
        status =
            copy_name(client->agent, sizeof client->agent, kept->agent ? kept->agent : own, "agent's name");
    if (status == 0 && kept->importance > 100)
        status = am_client_fail(AM_EINVAL, "an importance of %u; it goes from 0 to 100", kept->importance);
    if (kept->timeout_ms == 0)
        kept->timeout_ms = 30000;
    return status;
}

/* Say hello and map what comes: a view that nobody sees yet. */
static int open_view(struct am_client *client, struct am_view **view)
{
    struct am_welcome welcome;
    int table, page, status = am_wire_open(client, &welcome, &table, &page);
    if (status != 0)
        return status;
    status = am_view_create(client, &welcome, table, page, view);
    close(table);
    close(page);
    if (status != 0)
        am_wire_gone(client);
    return status;
}

/* Attach to a broker. Lock: wire. */
static int enter_broker(struct am_client *client)
{
    struct am_view *view;
    int status = open_view(client, &view);
    if (status == 0) {
        pthread_mutex_lock(&client->local);
        am_view_enter(client, view);
        pthread_mutex_unlock(&client->local);
    }
    return status;
}

int am_connect(const am_options *options, am_client **client)
{
    struct am_client *made;
    if (client == NULL)
        return am_client_fail(AM_EINVAL, "am_connect needs a place for the client");
    int status = am_client_create(&made);
    if (status != 0)
        return status;
    pthread_mutex_lock(&made->wire);
    status = take_options(made, options);
    if (status == 0)
        status = wants_kernel(made) ? am_kernel_connect(made) : enter_broker(made);
    pthread_mutex_unlock(&made->wire);
    if (status != 0)
        am_close(made);
    else
        *client = made;
    return status;
}

/* Take the references that stand in the view before again, in the page of `view`; only those it has not yet.
 */
static int take_again(struct am_client *client, const struct am_view *before, struct am_view *view)
{
    uint32_t high = atomic_load(&client->slots);
    for (uint32_t slot = 1; slot < high; slot++) {
        uint32_t number = atomic_load(&before->page->slot[slot]);
        if ((atomic_load(&client->hold[slot]) & 0xff) != AM_HOLD_HELD || number == 0 || number >= AM_UNITS
            || atomic_load(&view->page->slot[slot]) != 0)
            continue;
        const struct am_record *record =
            (const struct am_record *)((const uint8_t *)before->table + AM_UNITS_AT) + number;
        uint64_t id[4];
        for (int n = 0; n < 4; n++)
            id[n] = atomic_load(&record->id[n]);
        struct am_call call = {.operation = AM_OP_ACQUIRE, .part = {{id, sizeof id}}, .send_fd = -1};
        int status = am_wire_call(client, &call);
        am_wire_close(&call);
        struct am_placed placed;
        if (status == AM_EBROKER || status == AM_EPROTOCOL)
            return status;
        if (status == 0 && call.answer_bytes == sizeof placed) {
            memcpy(&placed, client->packet, sizeof placed);
            atomic_store(&view->page->slot[slot], placed.number); /* before our next request lets go of it */
        }
    }
    return 0;
}

int am_reconnect(am_client *client)
{
    if (client == NULL)
        return am_client_fail(AM_EINVAL, "am_reconnect needs a client");
    if (atomic_load(&client->forked))
        return am_client_fail(AM_EFORKED,
                              "this client was made in the parent of a fork; connect again in the child");
    if (client->kernel != NULL)
        return am_kernel_reconnect(client);
    struct am_view *view, *before;
    pthread_mutex_lock(&client->wire);
    /* The old connection is closed last: an agent that is not durable would end with it. */
    int old = client->fd;
    client->fd = -1;
    int status = open_view(client, &view);
    if (status != 0) {
        client->fd = old;
        am_wire_gone(client);
        pthread_mutex_unlock(&client->wire);
        return status;
    }
    pthread_mutex_lock(&client->local);
    uint64_t head = atomic_load(&client->free);
    while (!atomic_compare_exchange_weak(&client->free, &head, ((head >> 32) + 1) << 32 | AM_SLOTS_CLOSED))
        ;
    before = client->views;
    atomic_store(&view->page->high, atomic_load(&client->slots));
    status = take_again(client, before, view);
    if (status == 0) {
        am_view_enter(client, view);
        am_barrier(client);
        /* What was given back since: whoever saw only the old view said so in its hold before. */
        for (uint32_t slot = 1, high = atomic_load(&client->slots); slot < high; slot++)
            if ((atomic_load(&client->hold[slot]) & 0xff) != AM_HOLD_HELD)
                atomic_store(&view->page->slot[slot], 0);
        /* What was taken since, in the old view. The references are good whether or not the broker still
         * answers. */
        take_again(client, before, view);
        am_barrier(client);
        for (uint32_t slot = 1, high = atomic_load(&client->slots); slot < high; slot++)
            if ((atomic_load(&client->hold[slot]) & 0xff) != AM_HOLD_HELD)
                atomic_store(&view->page->slot[slot], 0);
    } else {
        am_view_free(view, false);
        am_wire_gone(client);
    }
    atomic_store(&client->free, ((head >> 32) + 2) << 32 | (uint32_t)head);
    am_view_sweep(client);
    pthread_mutex_unlock(&client->local);
    if (old >= 0)
        close(old);
    pthread_mutex_unlock(&client->wire);
    return status;
}
