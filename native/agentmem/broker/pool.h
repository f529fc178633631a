/* Worker threads for what must not hold up the loop: hashing, zstd, reading and writing the disk.
 *
 * A job runs on a worker, then `done` runs on the loop's thread, in the order in which jobs finish. Jobs
 * share nothing with the loop but what they were given. With 0 threads (tests) am_pool_submit runs the job
 * and done at once. The queue is bounded: am_pool_submit returns AM_EBUSY when it is full, and the caller
 * answers that to its peer.
 */
#ifndef AM_POOL_H
#define AM_POOL_H

#include <stddef.h>

struct am_pool;
struct am_job {
    void (*run)(struct am_job *job);
    void (*done)(struct am_job *job); /* owns and frees the job */
    struct am_job *next;
};

int am_pool_create(unsigned threads, size_t queue, struct am_pool **pool);
int am_pool_submit(struct am_pool *pool, struct am_job *job);
int am_pool_fd(const struct am_pool *pool); /* an eventfd: readable when jobs are done; -1 with 0 threads */
void am_pool_finish(struct am_pool *pool);  /* run `done` of all that have finished */
size_t am_pool_pending(const struct am_pool *pool);
void am_pool_free(struct am_pool *pool);    /* waits for what runs; done of the rest is called too */

#endif
