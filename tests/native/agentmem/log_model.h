/* A simple model of a log, and random operations that hold a real log against it.
 *
 * The model is an array of things; each is alive or not and has its payload as a seed. Deaths are written for
 * some and not for others, as a broker does. Invariant after any sequence of operations, compactions and
 * reopenings: every living thing is read back byte for byte, and none whose death was written is alive after
 * a replay.
 */
#ifndef LOG_MODEL_H
#define LOG_MODEL_H

#include "agentmem.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THINGS = 600 };
struct thing {
    uint64_t address, seed, length;
    uint8_t kind;
    bool alive, dead_written, unsure; /* unsure: dropped without a death; a replay may find it */
    bool found;
    uint64_t found_at;
};
struct model {
    struct am_log *log;
    struct thing things[THINGS];
    uint64_t random, appended, moves, deaths, refused;
    uint64_t largest; /* payload */
    char folder[64];  /* of a log on disk */
    bool uring;
    uint8_t *bytes, *back;
    int failed;
};

static inline uint64_t draw(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

#define EXPECT(model, true_, ...) \
    do { \
        if (!(true_)) { \
            printf("%s:%d: ", __FILE__, __LINE__); \
            printf(__VA_ARGS__); \
            printf("\n"); \
            if (++(model)->failed > 20) \
                exit(EXIT_FAILURE); \
        } \
    } while (0)

static inline void fill(uint8_t *bytes, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i += 8) {
        seed = (seed ^ seed >> 29) * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(bytes + i, &seed, length - i < 8 ? length - i : 8);
    }
}

static inline struct am_log_head head_of(const struct model *model, size_t number)
{
    const struct thing *thing = &model->things[number];
    struct am_log_head head = {.payload_bytes = thing->length, .time_ms = thing->seed, .realm = 3, .space = 7,
                               .base_or_number = (uint32_t)number, .importance = 50, .kind = thing->kind,
                               .type = AM_TOOL_RESULT, .form = AM_RAW};
    const uint64_t name = number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(head.id, &name, sizeof name);
    head.id[31] = (uint8_t)number;
    return head;
}

static inline bool as_written(struct model *model, size_t number, const struct am_log_head *head,
                              const void *payload)
{
    const struct thing *thing = &model->things[number];
    struct am_log_head want = head_of(model, number);
    want.sequence = head->sequence;
    fill(model->bytes, thing->length, thing->seed);
    return memcmp(&want, head, sizeof want) == 0 &&
           (thing->length == 0 || memcmp(payload, model->bytes, thing->length) == 0);
}

static inline void model_read(struct model *model, size_t number)
{
    struct thing *thing = &model->things[number];
    struct am_log_head head;
    int status = am_log_read(model->log, thing->address, &head, model->back, model->largest);
    EXPECT(model, status == 0 && as_written(model, number, &head, model->back),
           "thing %zu: status %d", number, status);
    status = am_log_read(model->log, thing->address, &head, NULL, 0);
    EXPECT(model, status == 0 && head.payload_bytes == thing->length,
           "thing %zu: head, status %d", number, status);
    if (thing->length > 0)
        EXPECT(model,
               am_log_read(model->log, thing->address, &head, model->back, thing->length - 1) == AM_ESIZE,
               "a payload went into too little room");
}

static inline void model_drop(struct model *model, size_t number, bool write_death)
{
    struct thing *thing = &model->things[number];
    uint64_t address;
    if (write_death) {
        struct am_log_head head = head_of(model, number);
        head.payload_bytes = 0;
        head.kind = thing->kind == AM_RECORD_UNIT ? AM_RECORD_GONE : thing->kind;
        head.importance = 0xffff;
        const int status = am_log_append(model->log, &head, NULL, &address);
        EXPECT(model, status == 0 || status == AM_EDISK, "a death: status %d", status);
        if (status != 0)
            return;
        model->deaths++;
    }
    am_log_drop(model->log, thing->address);
    thing->alive = false;
    thing->dead_written = write_death;
    thing->unsure = !write_death;
}

static inline void model_append(struct model *model, size_t number)
{
    struct thing *thing = &model->things[number], old = *thing;
    if (thing->alive)
        model_drop(model, number, true);
    if (thing->alive)
        return; /* a full disk takes no death either */
    old = *thing;
    const uint64_t most[] = {1, 200, 4097, model->largest < 70000 ? model->largest : 70000};
    const uint64_t size = draw(model, 400);
    thing->length = draw(model, size == 399 ? model->largest : most[size % 4] + 1);
    thing->seed = draw(model, UINT64_MAX);
    thing->kind = number % 7 == 0 ? AM_RECORD_HEAD : number % 11 == 0 ? AM_RECORD_OWN : AM_RECORD_UNIT;
    fill(model->bytes, thing->length, thing->seed);
    const struct am_log_head head = head_of(model, number);
    const int status = am_log_append(model->log, &head, model->bytes, &thing->address);
    EXPECT(model, status == 0 || status == AM_EDISK, "append: status %d", status);
    if (status != 0) {
        *thing = old;
        model->refused++;
        return;
    }
    thing->alive = true;
    thing->dead_written = thing->unsure = false;
    model->appended += thing->length;
}

static inline bool model_moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    struct model *model = context;
    const size_t number = head->base_or_number;
    struct thing *thing = &model->things[number < THINGS ? number : 0];
    EXPECT(model, number < THINGS && thing->alive && thing->address == from, "moved what was not there");
    thing->address = to;
    model->moves++;
    if (draw(model, 50) != 0)
        return true;
    thing->alive = false;
    thing->unsure = true;
    return false;
}

static inline int model_visit(void *context, uint64_t address, const struct am_log_head *head,
                              const void *payload)
{
    struct model *model = context;
    const size_t number = head->base_or_number;
    EXPECT(model, number < THINGS, "a record of nobody");
    struct thing *thing = &model->things[number < THINGS ? number : 0];
    if (thing->found)
        am_log_drop(model->log, thing->found_at);
    thing->found = false;
    if (head->importance == 0xffff)
        return 0;
    if (thing->alive && head->time_ms == thing->seed)
        EXPECT(model, as_written(model, number, head, payload), "thing %zu replayed wrongly", number);
    thing->found = true;
    thing->found_at = address;
    return 0;
}

static inline void model_broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes,
                                const char *what)
{
    struct model *model = context;
    EXPECT(model, false, "segment %u, %llu bytes at %llu: %s", segment, (unsigned long long)bytes,
           (unsigned long long)offset, what);
}

/* After a reopening: the log replayed is the model. */
static inline void model_replay(struct model *model)
{
    for (size_t i = 0; i < THINGS; i++)
        model->things[i].found = false;
    const int status = am_log_scan(model->log, model_visit, model_broken, model);
    EXPECT(model, status == 0, "scan: status %d", status);
    for (size_t i = 0; i < THINGS; i++) {
        struct thing *thing = &model->things[i];
        EXPECT(model, thing->found || !thing->alive, "thing %zu is lost", i);
        EXPECT(model, !thing->found || thing->alive || !thing->dead_written,
               "thing %zu came back from the dead", i);
        if (thing->found && !thing->alive)
            am_log_drop(model->log, thing->found_at); /* nobody told the log of its end */
        thing->address = thing->found_at;
        if (thing->alive)
            model_read(model, i);
    }
}

static inline void model_check(struct model *model)
{
    struct am_log_stats stats;
    uint64_t alive = 0;
    for (size_t i = 0; i < THINGS; i++) {
        alive += model->things[i].alive;
        if (model->things[i].alive)
            model_read(model, i);
    }
    am_log_stats(model->log, &stats);
    EXPECT(model, stats.live_records >= alive && stats.live_bytes <= stats.bytes && stats.broken == 0,
           "stats: %llu of %llu alive, %llu of %llu bytes, %llu broken",
           (unsigned long long)stats.live_records,
           (unsigned long long)alive, (unsigned long long)stats.live_bytes, (unsigned long long)stats.bytes,
           (unsigned long long)stats.broken);
}

/* One random step; reopen does what its medium needs and gives the log again. */
static inline void model_step(struct model *model, void (*reopen)(struct model *))
{
    const uint64_t what = draw(model, 1000);
    const size_t number = draw(model, THINGS);
    struct thing *thing = &model->things[number];
    if (what < 550) {
        model_append(model, number);
    } else if (what < 750) {
        if (thing->alive)
            model_drop(model, number, draw(model, 4) != 0);
    } else if (what < 850) {
        if (thing->alive)
            model_read(model, number);
    } else if (what < 975) {
        const int64_t moved = am_log_compact(model->log, draw(model, 400000), model_moved, model);
        EXPECT(model, moved >= 0 || moved == AM_EDISK, "compact: %lld", (long long)moved);
    } else if (what < 990) {
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
    } else {
        reopen(model);
        model_replay(model);
    }
}

static inline struct model *model_new(uint64_t seed, uint64_t largest)
{
    struct model *model = calloc(1, sizeof *model);
    model->random = seed;
    model->largest = largest;
    model->bytes = malloc(largest + 1);
    model->back = malloc(largest + 1);
    return model;
}

static inline int model_free(struct model *model)
{
    const int failed = model->failed;
    free(model->bytes);
    free(model->back);
    free(model);
    return failed;
}

#endif
