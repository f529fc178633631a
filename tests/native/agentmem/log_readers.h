/* Threads that read a log by addresses that its writer changes under them, by appending, dropping and
 * compacting. */
#ifndef LOG_READERS_H
#define LOG_READERS_H

#include "log_model.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PLACES = 64, READERS = 3 };
struct shared {
    struct am_log *log;
    _Atomic uint64_t address[PLACES];
    _Atomic uint64_t reads, stale;
    _Atomic int wrong;
    _Atomic bool over;
};

static inline void *reader(void *context)
{
    struct shared *shared = context;
    static _Thread_local uint8_t back[9000], want[9000];
    for (uint64_t i = 0; !atomic_load(&shared->over); i = (i + 1) % PLACES) {
        const uint64_t address = atomic_load(&shared->address[i]);
        struct am_log_head head;
        if (address == 0)
            continue;
        struct am_log_want both[2] = {{.address = address, .payload = back, .room = sizeof back},
                                      {.address = address, .payload = NULL}};
        int status = am_log_read(shared->log, address, &head, back, sizeof back);
        if (i % 2 == 1) {
            am_log_read_many(shared->log, both, 2);
            status = both[0].status;
            head = both[0].head;
        }
        if (status == 0) {
            fill(want, head.payload_bytes, head.time_ms);
            if (head.realm != i || memcmp(want, back, head.payload_bytes) != 0)
                atomic_fetch_add(&shared->wrong, 1);
            atomic_fetch_add(&shared->reads, 1);
        } else if (status == AM_ENOTFOUND) {
            atomic_fetch_add(&shared->stale, 1); /* given back between the look and the read */
        } else {
            atomic_fetch_add(&shared->wrong, 1);
        }
    }
    return NULL;
}

static inline bool followed(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    struct shared *shared = context;
    if (atomic_load(&shared->address[head->realm]) != from)
        atomic_fetch_add(&shared->wrong, 1);
    atomic_store(&shared->address[head->realm], to);
    return true;
}

/* Closes the log. */
static inline int readers_beside(struct am_log *log, uint64_t rounds)
{
    struct model *model = model_new(3, 1u << 16);
    static struct shared shared;
    pthread_t threads[READERS];
    memset(&shared, 0, sizeof shared);
    shared.log = log;
    for (size_t i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, reader, &shared);
    for (uint64_t round = 0; round < rounds || atomic_load(&shared.reads) < 1000; round++) {
        const uint64_t number = round < PLACES ? round : draw(model, PLACES), old = shared.address[number];
        struct am_log_head head = {.kind = AM_RECORD_UNIT, .realm = (uint32_t)number, .time_ms = round,
                                   .payload_bytes = draw(model, 9000)};
        uint64_t address;
        fill(model->bytes, head.payload_bytes, head.time_ms);
        EXPECT(model, am_log_append(shared.log, &head, model->bytes, &address) == 0, "append");
        atomic_store(&shared.address[number], address);
        if (old != 0)
            am_log_drop(shared.log, old);
        EXPECT(model, am_log_compact(shared.log, 20000, followed, &shared) >= 0, "compact");
    }
    atomic_store(&shared.over, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    printf("%llu reads beside the writer, %llu of a replaced address\n", (unsigned long long)shared.reads,
           (unsigned long long)shared.stale);
    EXPECT(model, shared.wrong == 0, "%d wrong reads", shared.wrong);
    am_log_close(shared.log);
    return model_free(model);
}

#endif
