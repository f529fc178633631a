/* Units in somebody's hands: the module's reference and the mapping of each.
 *
 * Knows the two calls that take and give a reference, nothing of content. Invariants: a place is free or
 * belongs to exactly one am_unit; its mapping lives from am_held_take to am_held_give, at one address,
 * whatever file it is of; mappings are the process's own: a child of a fork has none (the module sees to it)
 * and unmaps none.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel.h"

#define PREFAULT (64u << 10) /* so much is mapped with its pages: one call costs less than their faults */

static void *map(int fd, void *where, uint64_t length, uint64_t offset)
{
    const int flags = MAP_SHARED | (where != NULL ? MAP_FIXED : 0) | (length <= PREFAULT ? MAP_POPULATE : 0);
    void *at = mmap(where, (size_t)length, PROT_READ, flags, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static void release(int fd, uint32_t reference)
{
    struct agentmem_release request = {.reference = reference};
    if (reference != 0)
        am_kernel_call(fd, AGENTMEM_RELEASE, &request, sizeof request, "release a reference");
}

/* A free place, or 0. Lock: places. */
static uint32_t place_new(struct am_kernel *kernel)
{
    uint32_t place = kernel->free;
    if (place != 0) {
        kernel->free = kernel->held[place].next;
        return place;
    }
    if (kernel->count + 1 >= AM_REFERENCES)
        return 0;
    if (kernel->count + 1 >= kernel->room) {
        const uint32_t room = kernel->room != 0 ? kernel->room * 2 : 64;
        struct am_held *more = realloc(kernel->held, room * sizeof *more);
        if (more == NULL)
            return 0;
        kernel->held = more;
        kernel->room = room;
    }
    return ++kernel->count;
}

int am_held_take(struct am_client *client, const struct agentmem_placed *placed, am_unit *unit)
{
    struct am_kernel *kernel = client->kernel;
    void *at = map(client->fd, NULL, placed->length, placed->offset);
    if (at == NULL) {
        const int error = errno;
        release(client->fd, placed->reference);
        return am_client_fail(AM_ENOMEM, "a unit of %llu bytes cannot be mapped (%s); release some units",
                              (unsigned long long)placed->length, strerror(error));
    }
    struct am_held held = {.at = at, .length = placed->length, .reference = placed->reference};
    memcpy(held.id.bytes, placed->id, sizeof held.id.bytes);
    pthread_mutex_lock(&kernel->places);
    const uint32_t place = place_new(kernel);
    if (place != 0)
        kernel->held[place] = held;
    pthread_mutex_unlock(&kernel->places);
    if (place == 0) {
        munmap(at, (size_t)placed->length);
        release(client->fd, placed->reference);
        return am_client_fail(AM_EQUOTA,
                              "all %u references of this client are held, or there is no memory for one "
                              "more; release some",
                              AM_REFERENCES - 1);
    }
    unit->reference = place;
    unit->data = at;
    return 0;
}

void am_held_give(struct am_client *client, uint32_t place)
{
    struct am_kernel *kernel = client->kernel;
    struct am_held held = {0};
    pthread_mutex_lock(&kernel->places);
    if (place <= kernel->count && kernel->held[place].at != NULL) {
        held = kernel->held[place];
        kernel->held[place] = (struct am_held){.next = kernel->free};
        kernel->free = place;
    }
    pthread_mutex_unlock(&kernel->places);
    if (held.at == NULL)
        return;
    munmap(held.at, (size_t)held.length);
    release(client->fd, held.reference);
}

int am_held_move(struct am_client *client, int to)
{
    struct am_kernel *kernel = client->kernel;
    int status = 0;
    for (uint32_t place = 1; place <= kernel->count; place++) {
        struct am_held *held = &kernel->held[place];
        if (held->at == NULL)
            continue;
        struct agentmem_acquire request = {0};
        memcpy(request.id, held->id.bytes, sizeof request.id);
        held->reference = 0; /* the one there was goes with its file */
        if (am_kernel_call(to, AGENTMEM_ACQUIRE, &request, sizeof request, "take a reference again") != 0)
            continue; /* not there: what is mapped stays readable */
        /* A mapping keeps the file it is of, and with it the client before: the same bytes of the new one
         * stand in. */
        if (map(to, held->at, held->length, request.placed.offset) != NULL)
            held->reference = request.placed.reference;
        else
            status = am_client_fail(AM_ENOMEM, "a held unit of %llu bytes cannot be mapped again: %m",
                                    (unsigned long long)held->length);
    }
    return status;
}

void am_held_free(struct am_client *client, bool in_child)
{
    struct am_kernel *kernel = client->kernel;
    for (uint32_t place = 1; place <= kernel->count && !in_child; place++)
        if (kernel->held[place].at != NULL)
            munmap(kernel->held[place].at, (size_t)kernel->held[place].length);
    free(kernel->held);
}
