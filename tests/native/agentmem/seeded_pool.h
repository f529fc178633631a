/* A pool without threads that stands in for the broker's: jobs run and end when the loop asks for what has
 * finished, some of them, in an order drawn from a seed. What worker threads do once in many runs, it does
 * again with the same seed. What it cannot show: two threads at the same memory. */
#include "pool.h"

#include "agentmem.h"

#include <stdint.h>
#include <stdlib.h>

enum { SEEDED_JOBS = 1024 };

struct am_pool {
    struct am_job *waiting[SEEDED_JOBS], *ran[SEEDED_JOBS];
    size_t waits, runs;
    uint64_t state;
};
static unsigned seed; /* the test's own */

static size_t drawn(struct am_pool *of, size_t below) {
    of->state ^= of->state << 13;
    of->state ^= of->state >> 7;
    of->state ^= of->state << 17;
    return (size_t)(of->state >> 33) % below;
}

static struct am_job *drawn_job(struct am_pool *of, struct am_job **jobs, size_t *count) {
    size_t at = drawn(of, *count);
    struct am_job *job = jobs[at];
    jobs[at] = jobs[--*count];
    return job;
}

int am_pool_create(unsigned threads, size_t queue, struct am_pool **made) {
    struct am_pool *of = calloc(1, sizeof *of);
    (void)threads, (void)queue;
    if (!of)
        return AM_ENOMEM;
    of->state = seed * 0x9e3779b97f4a7c15ull + 1;
    *made = of;
    return AM_OK;
}

int am_pool_submit(struct am_pool *of, struct am_job *job) {
    if (of->waits + of->runs == SEEDED_JOBS)
        return AM_EBUSY;
    of->waiting[of->waits++] = job;
    return AM_OK;
}

int am_pool_fd(const struct am_pool *of) {
    (void)of;
    return -1;
}

void am_pool_finish(struct am_pool *of) {
    for (size_t n = of->waits; n > 0; n--)
        if (drawn(of, 3) == 0) {
            struct am_job *job = drawn_job(of, of->waiting, &of->waits);
            job->run(job);
            of->ran[of->runs++] = job;
        }
    for (size_t n = of->runs; n > 0; n--)
        if (drawn(of, 2) == 0) {
            struct am_job *job = drawn_job(of, of->ran, &of->runs);
            job->done(job); /* may submit another */
        }
}

size_t am_pool_pending(const struct am_pool *of) { return of->waits + of->runs; }

void am_pool_free(struct am_pool *of) {
    while (of && am_pool_pending(of))
        am_pool_finish(of);
    free(of);
}
