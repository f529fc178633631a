/* What the tests of the store share: a store with small limits and a clock of its own, whose memory files
 * this process keeps as the supervisor does, so that it can be closed as if it had died and opened again. */
#include "store.h"

#include "blake3.h"
#include "layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s\n  seed %u, %s\n", __FILE__, __LINE__, #what, seed,                   \
                    store ? am_store_error(store) : "");                                                     \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

enum { KEPT = 20000 };

static unsigned seed = 1;
static uint64_t random_state = 1, clock_ms = 1000;
static struct am_store *store;
static struct am_pool *pool;
static struct am_kept_fd kept[KEPT];
static size_t kept_count;
static char folder[] = "/tmp/am_store_XXXXXX";

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static uint64_t now(void) { return clock_ms; }

static size_t kept_at(const struct am_kept *what) {
    size_t i = 0;
    while (i < kept_count && memcmp(&kept[i].what, what, sizeof *what))
        i++;
    return i;
}

static void keep(void *context, const struct am_kept *what, int fd) {
    (void)context;
    size_t i = kept_at(what);
    if (i == kept_count) {
        CHECK(kept_count < KEPT);
        kept_count++;
    } else {
        close(kept[i].fd);
    }
    kept[i] = (struct am_kept_fd){*what, dup(fd)};
    CHECK(kept[i].fd >= 0);
}

static void let_go(void *context, const struct am_kept *what) {
    (void)context;
    size_t i = kept_at(what);
    CHECK(i < kept_count);
    close(kept[i].fd);
    kept[i] = kept[--kept_count];
}

struct heard {
    int calls, status;
    struct am_placed placed;
};

static void heard(void *context, int status, const struct am_placed *placed) {
    struct heard *heard = context;
    heard->calls++;
    heard->status = status;
    if (placed)
        heard->placed = *placed;
}

static void wait_for(const struct heard *answer) {
    while (!answer->calls)
        am_pool_finish(pool);
}

static void open_store(bool disk) {
    struct am_store_options options = {.secret = {7},
                                       .hot_bytes = 1 << 20,
                                       .warm_bytes = 128 << 10,
                                       .cold_bytes = disk ? 1 << 30 : 0,
                                       .cold_folder = folder,
                                       .pool = pool,
                                       .now_ms = now,
                                       .keep = keep,
                                       .let_go = let_go,
                                       .kept = kept,
                                       .kept_count = kept_count};
    struct am_kept_fd before[KEPT];
    size_t count = kept_count;
    memcpy(before, kept, sizeof before);
    for (size_t i = 0; i < count; i++)
        kept[i].fd = dup(kept[i].fd); /* the kept list stays the supervisor's own */
    options.kept = before;
    int status = am_store_open(&options, &store);
    CHECK(status == 0);
    for (size_t i = 0; i < count; i++)
        if (before[i].fd >= 0)
            close(before[i].fd);
}

/* The broker dies; another takes over its memory. */
static void dies(bool disk) {
    struct am_kept_fd held[KEPT];
    while (am_pool_pending(pool)) /* what it does from here on would be done after its death */
        am_pool_finish(pool);
    size_t count = kept_count;
    for (size_t i = 0; i < count; i++)
        held[i] = (struct am_kept_fd){kept[i].what, dup(kept[i].fd)};
    am_store_close(store, false);
    for (size_t i = 0; i < kept_count; i++)
        close(kept[i].fd);
    memcpy(kept, held, count * sizeof *held);
    kept_count = count;
    open_store(disk);
    CHECK(am_store_check(store, stderr) == 0);
}

/* The machine is switched off in good order. */
static void off(void) {
    am_store_close(store, true);
    for (size_t i = 0; i < kept_count; i++)
        close(kept[i].fd);
    kept_count = 0;
    store = NULL;
}
