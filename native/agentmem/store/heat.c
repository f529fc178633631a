/* Bringing units back to the hot tier, and reading them wherever they are.
 *
 * What is small and warm is decoded at once, on the loop: that takes less than waking a worker. The rest goes
 * to the pool. The unit and its base are pinned meanwhile. Whoever asks while it is on its way waits in one
 * list. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define AM_AT_ONCE (128u * 1024u) /* raw bytes: about 80 microseconds of decoding */

struct heat_job {
    struct am_job job;
    struct am_realm *realm;
    uint32_t number, base_pinned;
    bool cold, folded;
    uint64_t address, started_us, raw_bytes;
    uint8_t *payload;
    size_t payload_bytes;
    const uint8_t *base;
    uint8_t *base_copy;
    uint64_t base_bytes;
    uint8_t *raw; /* small units */
    int fd;       /* large ones: a sealed memfd */
    int status;
};

static uint64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

const struct am_dictionary *am_dictionary_numbered(const struct am_realm *realm, int type, uint32_t number) {
    for (uint32_t i = 0; number && i < realm->dictionaries[type]; i++)
        if (realm->dictionary_number[type][i] == number)
            return realm->dictionary[type][i];
    return NULL;
}

static int decode(struct am_realm *realm, uint32_t number, const uint8_t *payload, size_t bytes,
                  const uint8_t *base, uint64_t base_bytes, uint8_t *out, uint64_t length) {
    struct am_stored head;
    int status = am_stored_head(payload, bytes, &head);
    if (status)
        return status;
    if (head.raw_bytes != length)
        return AM_ECORRUPT;
    return am_decode(payload, bytes, base, base_bytes,
                     am_dictionary_numbered(realm, am_type_of(realm, number), head.dictionary), out, length);
}

/* The stored payload of a unit that is away. Blocks on the disk when it is cold. */
static uint8_t *stored(struct am_realm *realm, uint32_t number, bool cold, size_t *bytes) {
    const struct am_meta *meta = &realm->meta[number];
    *bytes = cold ? meta->cold_bytes : meta->warm_bytes;
    uint8_t *payload = malloc(*bytes ? *bytes : 1);
    struct am_log_head head;
    am_id id = am_record_id(realm, number);
    if (payload && ((cold ? am_cold_read(realm->store, meta->cold - 1, &head, payload, *bytes)
                          : am_log_read(realm->store->warm, meta->warm - 1, &head, payload, *bytes)) ||
                    head.payload_bytes != *bytes || memcmp(head.id, &id, sizeof id))) {
        free(payload);
        payload = NULL;
    }
    return payload;
}

/* Decode what is as long as its own head says. */
static uint8_t *decoded(struct am_realm *realm, uint32_t number, const uint8_t *payload, size_t bytes,
                        size_t *raw_bytes) {
    struct am_stored head;
    if (am_stored_head(payload, bytes, &head) || head.raw_bytes > AM_FOLD_BYTES)
        return NULL;
    uint8_t *raw = malloc(head.raw_bytes + 1);
    *raw_bytes = head.raw_bytes;
    if (raw && decode(realm, number, payload, bytes, NULL, 0, raw, head.raw_bytes)) {
        free(raw);
        raw = NULL;
    }
    return raw;
}

uint8_t *am_folded_bytes(struct am_realm *realm, uint32_t rope, size_t *bytes) {
    const struct am_meta *meta = &realm->meta[rope];
    uint8_t *folded = NULL;
    for (int cold = !meta->warm; cold < 2 && !folded && (cold ? meta->cold : meta->warm); cold++) {
        size_t stored_bytes;
        uint8_t *payload = stored(realm, rope, cold, &stored_bytes);
        folded = payload ? decoded(realm, rope, payload, stored_bytes, bytes) : NULL;
        free(payload);
    }
    return folded;
}

static uint8_t *raw_from(struct am_realm *realm, uint32_t number, bool cold) {
    uint64_t length = am_length(realm, number), base_bytes = 0;
    size_t bytes;
    uint8_t *payload = stored(realm, number, cold, &bytes), *base = NULL, *raw = NULL;
    uint32_t needs = realm->meta[number].base;
    if (payload && needs && needs != number) {
        base = am_unit_raw(realm, needs);
        base_bytes = am_length(realm, needs);
    }
    if (payload && (!needs || base))
        raw = malloc(length ? length : 1);
    if (raw && decode(realm, number, payload, bytes, base, base_bytes, raw, length)) {
        free(raw);
        raw = NULL;
    }
    free(base);
    free(payload);
    return raw;
}

uint8_t *am_unit_raw(struct am_realm *realm, uint32_t number) {
    uint64_t length = am_length(realm, number);
    if (am_state_of(realm, number) == AM_STATE_HOT) {
        uint8_t *raw = malloc(length ? length : 1);
        if (raw && length)
            memcpy(raw, am_bytes_of(realm, number), length);
        return raw;
    }
    if (realm->meta[number].folded & AM_FOLD_NOW) {
        size_t bytes;
        uint8_t *folded = am_folded_bytes(realm, number, &bytes), *rope = NULL;
        rope = folded ? am_fold_raw(realm, number, folded, bytes) : NULL;
        free(folded);
        return rope;
    }
    uint8_t *raw = realm->meta[number].warm ? raw_from(realm, number, false) : NULL;
    return raw || !realm->meta[number].cold ? raw : raw_from(realm, number, true);
}

static void count_restore(struct am_store *store, bool cold, uint64_t started_us) {
    uint64_t took = now_us() - started_us;
    int bucket = 0;
    while (bucket < 23 && took >> bucket)
        bucket++;
    store->counted.restore_us[bucket]++;
    if (cold)
        store->counted.restores_cold++;
    else
        store->counted.restores_warm++;
}

static void tell(struct am_realm *realm, uint32_t number, int status) {
    struct am_store *store = realm->store;
    struct am_placed placed;
    am_unit_placed(realm, number, true, &placed);
    struct am_waiter *called = NULL, **last = &called;
    for (struct am_waiter **at = &store->waiters; *at;) {
        struct am_waiter *waiter = *at;
        if (waiter->realm != realm->number || waiter->unit != number) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->next = NULL;
        *last = waiter;
        last = &waiter->next;
    }
    while (called) {
        struct am_waiter *waiter = called;
        called = waiter->next;
        waiter->done(waiter->context, status, status ? NULL : &placed);
        free(waiter);
    }
}

static int lost(struct am_realm *realm, uint32_t number) {
    realm->meta[number].lost = 1;
    realm->store->counted.broken++;
    return am_fail(realm->store, AM_ECORRUPT,
                   "the stored bytes of unit %u do not have their checksum: it is lost, others are not",
                   number);
}

static void heat_run(struct am_job *base) {
    struct heat_job *job = (struct heat_job *)base;
    struct am_realm *realm = job->realm;
    if (job->cold) {
        struct am_log_head head;
        job->status = am_log_read(realm->store->cold, job->address, &head, job->payload, job->payload_bytes);
        if (!job->status && head.payload_bytes != job->payload_bytes)
            job->status = AM_ECORRUPT;
    }
    if (job->status)
        return;
    if (job->folded) {
        job->raw = decoded(realm, job->number, job->payload, job->payload_bytes, &job->raw_bytes);
        job->status = job->raw ? 0 : AM_ECORRUPT;
        return;
    }
    if (job->raw_bytes <= AM_INLINE) {
        job->raw = malloc(job->raw_bytes ? job->raw_bytes : 1);
        job->status = job->raw ? decode(realm, job->number, job->payload, job->payload_bytes, job->base,
                                        job->base_bytes, job->raw, job->raw_bytes)
                               : AM_ENOMEM;
        return;
    }
    job->fd = memfd_create("agentmem-unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (job->fd < 0 || ftruncate(job->fd, (off_t)job->raw_bytes) < 0) {
        job->status = errno == EMFILE || errno == ENFILE ? AM_EFILES : AM_ENOMEM;
        return;
    }
    uint8_t *out = am_map_fd(job->fd, job->raw_bytes, true);
    if (!out) {
        job->status = AM_ENOMEM;
        return;
    }
    madvise(out, job->raw_bytes, MADV_HUGEPAGE);
    job->status = decode(realm, job->number, job->payload, job->payload_bytes, job->base, job->base_bytes,
                         out, job->raw_bytes);
    munmap(out, job->raw_bytes);
    if (!job->status &&
        fcntl(job->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        job->status = AM_ENOMEM;
}

static void heat_done(struct am_job *base) {
    struct heat_job *job = (struct heat_job *)base;
    struct am_realm *realm = job->realm;
    struct am_store *store = realm->store;
    int status = job->status;
    realm->flag[job->number] &= (uint8_t)~AM_FLAG_HEATING;
    if (!status && am_state_of(realm, job->number) != AM_STATE_HOT) {
        status = job->folded ? am_unfold(realm, job->number, job->raw, job->raw_bytes)
                             : am_unit_fill(realm, job->number, job->raw, job->fd);
        if (!status) {
            job->fd = -1;
            count_restore(store, job->cold, job->started_us);
            am_unit_used(realm, job->number);
        }
    } else if (status == AM_ECORRUPT) {
        status = lost(realm, job->number);
    } else if (status) {
        am_fail(store, status, "no memory or files to restore %llu bytes",
                (unsigned long long)job->raw_bytes);
    }
    am_unit_unpin(realm, job->number);
    if (job->base_pinned)
        am_unit_unpin(realm, job->base_pinned);
    store->cold_reads -= job->cold;
    store->jobs--;
    tell(realm, job->number, status);
    if (job->fd >= 0)
        close(job->fd);
    free(job->raw);
    free(job->payload);
    free(job->base_copy);
    free(job);
}

/* Start the way up. The unit is away and not on its way yet. */
static int start(struct am_realm *realm, uint32_t number) {
    struct am_store *store = realm->store;
    const struct am_meta *meta = &realm->meta[number];
    struct heat_job *job = calloc(1, sizeof *job);
    if (!job)
        return am_fail(store, AM_ENOMEM, "no memory to restore a unit");
    *job = (struct heat_job){.job = {.run = heat_run, .done = heat_done},
                             .realm = realm,
                             .number = number,
                             .cold = !meta->warm,
                             .raw_bytes = am_length(realm, number),
                             .fd = -1,
                             .folded = meta->folded & AM_FOLD_NOW,
                             .started_us = now_us()};
    if (job->cold) {
        job->address = meta->cold - 1;
        job->payload_bytes = meta->cold_bytes;
        job->payload = malloc(job->payload_bytes ? job->payload_bytes : 1);
    } else {
        job->payload = stored(realm, number, false, &job->payload_bytes);
    }
    int status = 0;
    if (!job->payload)
        status = job->cold ? am_fail(store, AM_ENOMEM, "no memory to restore a unit") : lost(realm, number);
    if (!status && meta->base) {
        job->base_bytes = am_length(realm, meta->base);
        if (am_state_of(realm, meta->base) == AM_STATE_HOT) {
            job->base = am_bytes_of(realm, meta->base);
            job->base_pinned = meta->base;
            am_unit_pin(realm, meta->base);
        } else if (!(job->base = job->base_copy = am_unit_raw(realm, meta->base))) {
            status = lost(realm, number);
        }
    }
    if (status) {
        free(job->payload);
        free(job);
        return status;
    }
    realm->flag[number] |= AM_FLAG_HEATING;
    am_unit_pin(realm, number);
    store->cold_reads += job->cold;
    store->jobs++;
    am_job_submit(store, &job->job);
    return 0;
}

void am_heat_number(struct am_realm *realm, uint32_t number, am_heated *done, void *context) {
    struct am_store *store = realm->store;
    struct am_placed placed;
    const struct am_meta *meta = &realm->meta[number];
    int status = 0;
    if (am_state_of(realm, number) != AM_STATE_HOT) {
        if (meta->lost) {
            done(context, am_fail(store, AM_ECORRUPT, "unit %u is lost: its stored bytes are broken", number),
                 NULL);
            return;
        }
        uint64_t started = now_us();
        if (meta->warm && am_length(realm, number) <= AM_AT_ONCE &&
            !(realm->flag[number] & AM_FLAG_HEATING)) {
            size_t bytes = 0;
            bool folded = meta->folded & AM_FOLD_NOW;
            uint8_t *raw = folded ? am_folded_bytes(realm, number, &bytes) : am_unit_raw(realm, number);
            status = !raw     ? lost(realm, number)
                     : folded ? am_unfold(realm, number, raw, bytes)
                              : am_unit_fill(realm, number, raw, -1);
            free(raw);
            if (!status)
                count_restore(store, false, started);
        } else {
            struct am_waiter *waiter = calloc(1, sizeof *waiter);
            if (waiter) {
                *waiter = (struct am_waiter){store->waiters, done, context, realm->number, number};
                store->waiters = waiter;
                bool later = !meta->warm && store->cold_compacting; /* am_cold_waiters starts it then */
                status = later || realm->flag[number] & AM_FLAG_HEATING ? 0 : start(realm, number);
                if (status)
                    tell(realm, number, status);
            } else {
                done(context, am_fail(store, AM_ENOMEM, "no memory to wait for a unit"), NULL);
            }
            return;
        }
    }
    if (!status) {
        am_unit_used(realm, number);
        am_unit_placed(realm, number, true, &placed);
    }
    done(context, status, status ? NULL : &placed);
}

void am_cold_waiters(struct am_store *store) {
    for (;;) {
        const struct am_waiter *waiter = store->waiters;
        while (waiter && store->realm[waiter->realm]->flag[waiter->unit] & AM_FLAG_HEATING)
            waiter = waiter->next;
        if (!waiter)
            return;
        struct am_realm *realm = store->realm[waiter->realm];
        uint32_t number = waiter->unit;
        int status = am_state_of(realm, number) == AM_STATE_HOT ? 0 : start(realm, number);
        if (status || am_state_of(realm, number) == AM_STATE_HOT)
            tell(realm, number, status); /* frees the waiter; the list is another one afterwards */
    }
}

void am_heat(struct am_store *store, struct am_agent *agent, const am_id *id, am_heated *done,
             void *context) {
    uint32_t number = am_agent_sees(agent, id);
    if (number)
        am_heat_number(agent->realm, number, done, context);
    else if (am_table_find(agent->realm, id))
        done(context,
             am_fail(store, AM_EACCESS, "this unit is private to another agent; its owner may share it"),
             NULL);
    else
        done(context, am_fail(store, AM_ENOTFOUND, "no unit of this id in this realm; publish it"), NULL);
}
