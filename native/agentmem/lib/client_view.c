/* A view: what one connection maps of the broker's memory, and when it stops.
 *
 * Does not know the socket nor what a unit is. Invariants: nothing is unmapped while a hold names it;
 * everything mapped here is absent from forked children (MADV_DONTFORK); only the page is writable. A slab
 * stays mapped while its generation lives; a large unit's own segment while a reference to it is held (from
 * AM_LARGE on) or among at most AM_MAPPED others, so that an idle client keeps little memory alive that the
 * broker has let go.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define HUGE (2u << 20)

void *am_view_map_fd(int fd, uint64_t bytes, int protection, bool huge)
{
    size_t length = ((bytes > 0 ? bytes : 1) + 4095) & ~(uint64_t)4095,
           spare = huge && length >= HUGE ? HUGE : 0;
    if (spare == 0) {
        void *plain = mmap(NULL, length, protection, MAP_SHARED, fd, 0);
        if (plain == MAP_FAILED || madvise(plain, length, MADV_DONTFORK) == 0)
            return plain == MAP_FAILED ? NULL : plain;
        munmap(plain, length);
        return NULL;
    }
    /* Huge pages are used where memory and file agree modulo 2 MiB, so the place is chosen here. */
    uint8_t *room = mmap(NULL, length + spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    uint8_t *at = (uint8_t *)(((uintptr_t)room + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
    if (at > room)
        munmap(room, (size_t)(at - room));
    if (at + length < room + length + spare)
        munmap(at + length, (size_t)(room + spare - at));
    if (mmap(at, length, protection, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED
        || madvise(at, length, MADV_DONTFORK) != 0) {
        munmap(at, length);
        return NULL;
    }
    madvise(at, length, MADV_HUGEPAGE); /* a kernel without shared huge pages says no, and that is all */
    return at;
}

static void unmap(const void *at, uint64_t bytes)
{
    munmap((void *)(uintptr_t)at, ((bytes > 0 ? bytes : 1) + 4095) & ~(uint64_t)4095);
}

static int map_sized(int fd, uint64_t least, int protection, bool huge, const char *what, void **at,
                     uint64_t *bytes)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || stat.st_size < 0 || (uint64_t)stat.st_size < least)
        return am_client_fail(AM_EPROTOCOL, "the broker's %s is smaller than %llu bytes", what,
                              (unsigned long long)least);
    *bytes = (uint64_t)stat.st_size;
    *at = am_view_map_fd(fd, *bytes, protection, huge);
    if (*at == NULL)
        return am_client_fail(AM_ENOMEM, "cannot map the broker's %s of %llu bytes: %m", what,
                              (unsigned long long)*bytes);
    return 0;
}

int am_view_create(struct am_client *client, const struct am_welcome *welcome, int table, int page,
                   struct am_view **view)
{
    struct am_view *made = calloc(1, sizeof *made);
    if (made == NULL)
        return am_client_fail(AM_ENOMEM, "no memory for a connection");
    void *at;
    uint64_t bytes;
    made->welcome = *welcome;
    int status = map_sized(table, AM_TABLE_BYTES, PROT_READ, false, "table of units", &at, &bytes);
    if (status == 0) {
        made->table = at;
        if (bytes != AM_TABLE_BYTES || made->table->magic != AM_MAGIC || made->table->layout != AM_LAYOUT)
            status =
                am_client_fail(AM_EPROTOCOL,
                               "the broker's table has layout %u, this library reads %u; install the same "
                               "version of both",
                               made->table->layout, AM_LAYOUT);
    }
    if (status == 0)
        status = map_sized(page, sizeof(struct am_page), PROT_READ | PROT_WRITE, false, "page of references",
                           &at, &bytes);
    if (status == 0) {
        made->page = at;
        atomic_store(&made->page->fences, client->fences);
        at = mmap(NULL, sizeof(struct am_mapping) * AM_SEGMENTS, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            status = am_client_fail(AM_ENOMEM, "no memory for a connection: %m");
        else
            made->mappings = at;
    }
    if (status != 0) {
        am_view_free(made, false);
        return status;
    }
    *view = made;
    return 0;
}

void am_view_free(struct am_view *view, bool in_child)
{
    for (size_t n = 0; n < view->mapped_count && !in_child && !view->foreign; n++) {
        struct am_mapping *mapping = &view->mappings[view->mapped[n]];
        if (atomic_load(&mapping->generation) != 0)
            unmap(atomic_load(&mapping->base), atomic_load(&mapping->bytes));
    }
    if (!in_child && !view->foreign && view->table != NULL)
        unmap(view->table, AM_TABLE_BYTES);
    if (!in_child && !view->foreign && view->page != NULL)
        unmap(view->page, sizeof *view->page);
    if (view->mappings != NULL)
        munmap(view->mappings, sizeof(struct am_mapping) * AM_SEGMENTS);
    free(view->mapped);
    free(view);
}

void am_view_enter(struct am_client *client, struct am_view *view)
{
    view->serial = client->views != NULL ? client->views->serial + 1 : 1;
    view->older = client->views;
    atomic_store(&view->page->high, atomic_load(&client->slots));
    if (view->older != NULL)
        atomic_fetch_add(&client->retired, 1);
    client->views = view;
    atomic_store(&client->view, view);
}

int am_view_note(struct am_view *view, uint32_t segment, uint32_t generation, const uint8_t *base,
                 uint64_t bytes)
{
    struct am_mapping *mapping = &view->mappings[segment];
    if (!mapping->listed && view->mapped_count == view->mapped_room) {
        size_t room = view->mapped_room ? view->mapped_room * 2 : 16;
        uint32_t *more = realloc(view->mapped, room * sizeof *more);
        if (more == NULL)
            return am_client_fail(AM_ENOMEM, "no memory for one more mapped segment");
        view->mapped = more;
        view->mapped_room = room;
    }
    if (!mapping->listed)
        view->mapped[view->mapped_count++] = segment;
    mapping->listed = 1;
    atomic_store(&mapping->base, base);
    atomic_store(&mapping->bytes, bytes);
    atomic_store(&mapping->generation, generation); /* last: who sees it sees the two above */
    return 0;
}

/* Unmap view->mapped[n] unless a hold names it: true when it is gone, and another stands at n. replaced: a
 * unit was seen in a later generation of this segment; then no reference to the old one is left (the broker
 * waits for them), and the holds are of threads that want the new one. */
static bool drop(struct am_client *client, struct am_view *view, size_t n, bool replaced)
{
    uint32_t segment = view->mapped[n];
    struct am_mapping *mapping = &view->mappings[segment];
    uint32_t generation = atomic_load(&mapping->generation);
    atomic_store(&mapping->generation, 0);
    am_barrier(client);
    uint32_t high = atomic_load(&client->slots);
    for (uint32_t slot = 1; slot < high && !replaced; slot++)
        if (atomic_load(&client->hold[slot]) >> 8 == am_hold(view->serial, segment, 0) >> 8) {
            atomic_store(&mapping->generation, generation);
            return false;
        }
    if (!view->foreign)
        unmap(atomic_load(&mapping->base), atomic_load(&mapping->bytes));
    mapping->listed = 0;
    view->mapped[n] = view->mapped[--view->mapped_count];
    return true;
}

/* The segments of this view that a hold names now, one bit each. For am_view_map, which looks through all of
 * them: what is seen to be held stays without the barrier that drop makes, and what a thread takes after this
 * drop finds. */
static void note_held(struct am_client *client, const struct am_view *view, uint64_t held[AM_SEGMENTS / 64])
{
    memset(held, 0, AM_SEGMENTS / 8);
    uint32_t high = atomic_load(&client->slots);
    for (uint32_t slot = 1; slot < high; slot++) {
        uint64_t hold = atomic_load(&client->hold[slot]);
        uint32_t segment = hold >> 8 & (AM_SEGMENTS - 1);
        if (hold >> 32 == view->serial)
            held[segment / 64] |= 1ull << segment % 64;
    }
}

static const _Atomic uint32_t *generations(const struct am_view *view)
{
    return (const _Atomic uint32_t *)((const uint8_t *)view->table + AM_SEGMENTS_AT);
}

static struct am_view *unlink_after(struct am_view *newer)
{
    struct am_view *old = newer->older;
    newer->older = old->older;
    return old;
}

void am_view_sweep(struct am_client *client)
{
    struct am_view *current = client->views;
    for (size_t n = current->mapped_count; n-- > 0;) {
        uint32_t segment = current->mapped[n];
        if (atomic_load(&generations(current)[segment])
            != atomic_load(&current->mappings[segment].generation))
            drop(client, current, n, false);
    }
    if (atomic_load(&client->retired) == 0)
        return;
    /* A thread with a hold of some serial may look at that view and at every later one. */
    am_barrier(client);
    uint32_t high = atomic_load(&client->slots), oldest = current->serial;
    for (uint32_t slot = 1; slot < high; slot++) {
        uint64_t hold = atomic_load(&client->hold[slot]);
        if (hold == AM_HOLD_BUSY)
            return;
        if (hold != 0 && hold >> 32 < oldest)
            oldest = (uint32_t)(hold >> 32);
    }
    for (struct am_view *newer = current; newer->older != NULL;) {
        if (newer->older->serial >= oldest) {
            newer = newer->older;
            continue;
        }
        am_view_free(unlink_after(newer), false);
        atomic_fetch_sub(&client->retired, 1);
    }
}

void am_view_rest(struct am_client *client)
{
    pthread_mutex_lock(&client->local);
    struct am_view *current = client->views;
    for (size_t n = current->mapped_count; n-- > 0;)
        drop(client, current, n, false);
    pthread_mutex_unlock(&client->local);
}

void am_view_drop(struct am_client *client, uint64_t hold)
{
    pthread_mutex_lock(&client->local);
    for (struct am_view *view = client->views; view != NULL; view = view->older)
        if (view->serial == hold >> 32)
            for (size_t n = 0; n < view->mapped_count; n++)
                if (view->mapped[n] == (uint32_t)(hold >> 8 & (AM_SEGMENTS - 1))) {
                    drop(client, view, n, false);
                    break;
                }
    pthread_mutex_unlock(&client->local);
}

int am_view_map(struct am_client *client, struct am_view *view, uint32_t segment, uint32_t generation, int fd)
{
    void *at = NULL;
    uint64_t bytes = 0;
    pthread_mutex_lock(&client->local);
    int status = 0;
    for (size_t n = 0; n < view->mapped_count; n++)
        if (view->mapped[n] == segment && atomic_load(&view->mappings[segment].generation) != generation) {
            drop(client, view, n, true);
            break;
        }
    if (view->mapped_count >= AM_MAPPED) {
        uint64_t held[AM_SEGMENTS / 64];
        note_held(client, view, held);
        for (size_t n = view->mapped_count; n-- > 0 && view->mapped_count >= AM_MAPPED;) {
            uint32_t other = view->mapped[n];
            if (atomic_load(&view->mappings[other].bytes) < AM_LARGE
                && !(held[other / 64] >> other % 64 & 1))
                drop(client, view, n, false);
        }
    }
    if (status == 0 && atomic_load(&view->mappings[segment].generation) != generation) {
        status = map_sized(fd, 0, PROT_READ, true, "segment", &at, &bytes);
        if (status == 0 && (status = am_view_note(view, segment, generation, at, bytes)) != 0)
            unmap(at, bytes);
    }
    pthread_mutex_unlock(&client->local);
    return status;
}
