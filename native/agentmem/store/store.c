/* The store as a whole: opening, closing, realms, memory shared by file descriptor, and what its errors say.
 * Knows no unit; the other files do. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int am_fail(struct am_store *store, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(store->error, sizeof store->error, format, arguments);
    va_end(arguments);
    return status;
}

const char *am_store_error(const struct am_store *store) { return store->error; }
uint64_t am_store_epoch(const struct am_store *store) { return store->state->epoch; }

uint64_t am_now(const struct am_store *store) {
    if (store->options.now_ms)
        return store->options.now_ms();
    struct timespec time; /* BOOTTIME: a laptop that slept the night has aged its conversations */
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void *am_map_fd(int fd, uint64_t bytes, bool writable) {
    void *map = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    return map == MAP_FAILED ? NULL : map;
}

int am_memfd(struct am_store *store, const char *name, uint64_t bytes, int seals, int *fd) {
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
    int made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (made < 0 && errno == EINVAL) /* before Linux 6.3 */
        made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0)
        return am_fail(store, errno == EMFILE || errno == ENFILE ? AM_EFILES : AM_ENOMEM,
                       "no memory file for %s: %s; raise the limit of open files or close agents", name,
                       strerror(errno));
    if (ftruncate(made, (off_t)bytes) < 0 || (seals && fcntl(made, F_ADD_SEALS, seals) < 0)) {
        int why = errno;
        close(made);
        return am_fail(store, AM_ENOMEM, "%llu bytes of memory for %s: %s", (unsigned long long)bytes, name,
                       strerror(why));
    }
    *fd = made;
    return 0;
}

void am_keep(struct am_store *store, uint32_t kind, uint32_t realm, uint32_t number, uint32_t generation,
             int fd) {
    struct am_kept what = {kind, realm, number, generation};
    if (store->options.keep)
        store->options.keep(store->options.context, &what, fd);
}

void am_let_go(struct am_store *store, uint32_t kind, uint32_t realm, uint32_t number, uint32_t generation) {
    struct am_kept what = {kind, realm, number, generation};
    if (store->options.let_go)
        store->options.let_go(store->options.context, &what);
}

void am_job_submit(struct am_store *store, struct am_job *job) {
    if (am_pool_submit(store->options.pool, job) == 0)
        return;
    job->run(job); /* the queue is full: whoever asks for more work does it */
    job->done(job);
}

/* A realm's key: nobody who has not the secret can compute an id, and no two realms have ids in common. */
static void realm_key(const struct am_store *store, const struct am_realm_row *row, uint8_t key[32]) {
    struct am_blake3 hash;
    am_blake3_start_derive(&hash, "NexusOS AgentMem 2026 realm key");
    am_blake3_update(&hash, store->options.secret, sizeof store->options.secret);
    am_blake3_update(&hash, row->name, row->bytes);
    am_blake3_finish(&hash, key);
}

struct am_realm *am_realm_make(struct am_store *store, uint32_t number) {
    struct am_realm *realm = calloc(1, sizeof *realm);
    if (!realm)
        return NULL;
    realm->store = store;
    realm->number = number;
    realm->table_fd = realm->meta_fd = -1;
    realm->open_segment = UINT32_MAX;
    realm_key(store, &store->state->realms[number], realm->key);
    return realm;
}

static int name_check(struct am_store *store, const char *what, const char *name, size_t bytes) {
    if (bytes == 0 || bytes >= AM_NAME_BYTES || memchr(name, 0, bytes))
        return am_fail(store, AM_EINVAL,
                       "a name of %zu bytes for a %s: 1 to %d bytes without zeros are taken", bytes, what,
                       AM_NAME_BYTES - 1);
    return 0;
}

/* Is a job on its way that knows this realm? Those of units pin them; a unit that is pinned is there. */
static bool realm_works(const struct am_realm *realm) {
    bool training = false;
    for (int type = 0; type < 6; type++)
        training |= realm->training[type];
    return training;
}

/* A realm in which nothing is left makes room for another. Its row, or AM_REALMS when all are in use. */
static uint32_t realm_end_one(struct am_store *store) {
    bool lived_in[AM_REALMS] = {false};
    for (uint32_t row = 0; row < store->state->agent_high; row++)
        if (store->agent[row])
            lived_in[store->agent[row]->realm->number] = true;
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        if (!realm || realm->units || realm->readers || lived_in[i] || realm_works(realm))
            continue;
        for (uint32_t n = 0; n < realm->segment_high; n++)
            if (realm->segment[n].fd >= 0)
                am_segment_end(realm, n);
        store->state->realms[i].bytes = 0;
        store->realm[i] = NULL;
        am_let_go(store, AM_KEPT_TABLE, i, 0, 0);
        am_let_go(store, AM_KEPT_META, i, 0, 0);
        am_learn_free(realm);
        am_table_free(realm);
        free(realm);
        store->counted.realms--;
        store->snapshot_due = true; /* what it says of this realm is over: a snapshot follows */
        return i;
    }
    return AM_REALMS;
}

int am_realm_open(struct am_store *store, const char *name, size_t bytes, struct am_realm **realm) {
    int status = name_check(store, "realm", name, bytes);
    if (status)
        return status;
    uint32_t free_row = AM_REALMS;
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm_row *row = &store->state->realms[i];
        if (row->bytes == bytes && memcmp(row->name, name, bytes) == 0) {
            *realm = store->realm[i];
            return 0;
        }
        if (!row->bytes && free_row == AM_REALMS)
            free_row = i;
    }
    if (free_row == AM_REALMS)
        free_row = realm_end_one(store);
    if (free_row == AM_REALMS)
        return am_fail(store, AM_EBUSY, "%u realms are open, which is the limit; end the agents of one",
                       AM_REALMS);
    struct am_realm_row *row = &store->state->realms[free_row];
    memcpy(row->name, name, bytes);
    row->name[bytes] = 0;
    atomic_thread_fence(memory_order_release);
    row->bytes = (uint32_t)bytes;
    struct am_realm *made = am_realm_make(store, free_row);
    status = made ? am_table_create(made) : am_fail(store, AM_ENOMEM, "no memory for a realm");
    if (status) {
        row->bytes = 0;
        free(made);
        return status;
    }
    store->realm[free_row] = made;
    store->counted.realms++;
    am_journal(store, AM_RECORD_REALM, made, 0, NULL, 0, 0, name, bytes);
    *realm = made;
    return 0;
}

int am_realm_table_fd(const struct am_realm *realm) { return realm->table_fd; }

void am_agent_keys(const struct am_realm *realm, const struct am_agent *agent, struct am_welcome *welcome) {
    *welcome = (struct am_welcome){.wire = AM_WIRE,
                                   .layout = AM_LAYOUT,
                                   .epoch = realm->store->state->epoch,
                                   .agent = agent->row,
                                   .space = agent->row + 1};
    memcpy(welcome->realm_key, realm->key, 32);
    memcpy(welcome->space_key, agent->key, 32);
}

static int state_make(struct am_store *store) {
    int status = am_memfd(store, "agentmem-state", sizeof(struct am_state), F_SEAL_SHRINK | F_SEAL_GROW,
                          &store->state_fd);
    if (status)
        return status;
    store->state = am_map_fd(store->state_fd, sizeof(struct am_state), true);
    if (!store->state)
        return am_fail(store, AM_ENOMEM, "the state cannot be mapped: %s", strerror(errno));
    store->state->layout = AM_LAYOUT;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    store->state->epoch = (uint64_t)time.tv_sec << 20 | (uint64_t)time.tv_nsec >> 10;
    atomic_thread_fence(memory_order_release);
    store->state->magic = AM_MAGIC;
    am_keep(store, AM_KEPT_STATE, 0, 0, 0, store->state_fd);
    return 0;
}

int am_store_open(const struct am_store_options *options, struct am_store **out) {
    struct am_store *store = calloc(1, sizeof *store);
    if (!store)
        return AM_ENOMEM;
    store->options = *options;
    store->options.kept = NULL;
    if (!store->options.warm_after_ms)
        store->options.warm_after_ms = AM_WARM_AFTER_MS;
    if (!store->options.cold_after_ms)
        store->options.cold_after_ms = AM_COLD_AFTER_MS;
    store->state_fd = -1;
    pthread_mutex_init(&store->cold_lock, NULL);
    store->agent = calloc(AM_AGENTS, sizeof(struct am_agent *));
    store->head_next = calloc(AM_HEADS, sizeof *store->head_next);
    int status = store->agent && store->head_next ? 0 : am_fail(store, AM_ENOMEM, "no memory for the store");
    if (!status && options->cold_bytes && options->cold_disk) {
        char why[200];
        status = am_log_open_nvme(options->cold_disk, options->cold_bytes, &store->cold, why, sizeof why);
        if (status)
            am_fail(store, status, "the cold tier cannot be opened: %s", why);
    } else if (!status && options->cold_bytes && options->cold_folder) {
        status = am_log_open_disk(options->cold_folder, options->cold_bytes, true, &store->cold);
        if (status)
            am_fail(store, status, "the cold tier in %s cannot be opened: %s", options->cold_folder,
                    strerror(errno));
    }
    if (!status) {
        store->options.kept = options->kept;
        store->options.kept_count = options->kept_count;
        status = am_adopt(store); /* AM_ENOTFOUND: there is nothing to take over */
        store->options.kept = NULL;
        store->options.kept_count = 0;
    }
    if (status == AM_ENOTFOUND) {
        status = am_log_open_memory(NULL, 0, &store->warm);
        if (!status)
            status = state_make(store);
        if (!status)
            status = am_owners_room(store);
    }
    if (!status && store->cold) {
        status = am_cold_replay(store);
    } else if (!status && store->adopted) {
        am_ropes_begin(store);
        am_ropes_start(store);
    }
    *out = store; /* also on failure, for its text: the caller closes it */
    return status;
}

/* Let jobs finish until so many are left. */
static void drain(struct am_store *store, size_t left) {
    while (store->jobs > left) {
        am_pool_finish(store->options.pool);
        if (store->jobs > left)
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

/* Everything that durable agents own, onto the disk: coding first, then writing, until nothing is left or the
 * disk takes no more. */
static void flush_all(struct am_store *store) {
    store->closing = true;
    store->cold_retry_ms = 0;
    size_t left = SIZE_MAX;
    for (int idle = 0; idle < 3 && !store->cold_retry_ms;) {
        drain(store, 0);
        for (uint32_t i = 0; i < AM_REALMS; i++)
            if (store->realm[i])
                am_units_free(store->realm[i], SIZE_MAX);
        am_cold_step(store, true);
        size_t now = store->unsaved_count + store->journal_count + store->jobs;
        if (!now)
            break;
        idle = now == left && !store->jobs ? idle + 1 : 0;
        left = now;
    }
    drain(store, 0);
}

void am_store_close(struct am_store *store, bool flush) {
    if (!store)
        return;
    if (flush && store->state && store->cold)
        flush_all(store);
    drain(store, 0); /* jobs hold pointers into the store */
    while (store->waiters) {
        struct am_waiter *waiter = store->waiters;
        store->waiters = waiter->next;
        waiter->done(waiter->context, AM_EBROKER, NULL);
        free(waiter);
    }
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        if (!realm)
            continue;
        while (realm->readers)
            am_reader_close(store, realm->readers);
        am_learn_free(realm);
        am_table_free(realm);
        free(realm);
    }
    for (uint32_t i = 0; store->agent && i < AM_AGENTS; i++)
        free(store->agent[i]);
    am_log_close(store->warm);
    am_log_close(store->cold);
    if (store->state)
        munmap(store->state, sizeof(struct am_state));
    if (store->state_fd >= 0)
        close(store->state_fd);
    free(store->agent);
    free(store->head_next);
    free(store->edge_next);
    free(store->edge_previous);
    free(store->edge_hash);
    for (size_t i = 0; i < store->journal_count; i++)
        free(store->journal[i].payload);
    free(store->journal);
    free(store->dropped);
    free(store->held);
    free(store->warm_kept);
    free(store->moves);
    free(store->journaled);
    free(store->unsaved);
    pthread_mutex_destroy(&store->cold_lock);
    free(store);
}
