/* See pool.h. Two lists under one lock: what waits, and what has finished. The eventfd is written when the
 * list of the finished becomes non-empty and read when it is emptied, so the loop wakes once for many. */
#include "pool.h"

#include "agentmem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct list { struct am_job *first, *last; };
struct am_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list waiting, finished;
    size_t queue, waits, pending; /* pending: waits, runs, or has finished without its done */
    unsigned threads;
    int wake;
    int ending;
    pthread_t thread[];
};

static void append(struct list *list, struct am_job *job)
{
    job->next = NULL;
    *(list->first ? &list->last->next : &list->first) = job;
    list->last = job;
}

static struct am_job *take(struct list *list)
{
    struct am_job *job = list->first;
    if (job)
        list->first = job->next;
    return job;
}

static void *work(void *argument)
{
    struct am_pool *pool = argument;
    prctl(PR_SET_NAME, "agentmem-work");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->waiting.first && !pool->ending)
            pthread_cond_wait(&pool->work, &pool->lock);
        struct am_job *job = take(&pool->waiting);
        if (!job)
            break; /* ending, and nothing is left */
        pool->waits--;
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        const int first = !pool->finished.first;
        append(&pool->finished, job);
        if (first)
            eventfd_write(pool->wake, 1);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int am_pool_create(unsigned threads, size_t queue, struct am_pool **made)
{
    struct am_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);
    if (!pool)
        return AM_ENOMEM;
    pool->queue = queue;
    pool->wake = threads ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (threads && pool->wake < 0) {
        free(pool);
        return AM_EFILES;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    /* Signals are the loop's: it reads them from a descriptor, and a worker's system call is never
     * interrupted. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; pool->threads < threads; pool->threads++)
        if (pthread_create(&pool->thread[pool->threads], NULL, work, pool) != 0)
            break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->threads < threads) {
        am_pool_free(pool);
        return AM_ENOMEM;
    }
    *made = pool;
    return AM_OK;
}

int am_pool_submit(struct am_pool *pool, struct am_job *job)
{
    if (!pool->threads) {
        job->run(job);
        job->done(job);
        return AM_OK;
    }
    pthread_mutex_lock(&pool->lock);
    const int full = pool->waits >= pool->queue;
    if (!full) {
        append(&pool->waiting, job);
        pool->waits++;
        pool->pending++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return full ? AM_EBUSY : AM_OK;
}

int am_pool_fd(const struct am_pool *pool)
{
    return pool->wake;
}

void am_pool_finish(struct am_pool *pool)
{
    if (!pool->threads)
        return;
    pthread_mutex_lock(&pool->lock);
    eventfd_t count;
    eventfd_read(pool->wake, &count);
    struct list finished = pool->finished;
    pool->finished = (struct list){0};
    pthread_mutex_unlock(&pool->lock);
    for (struct am_job *job; (job = take(&finished));) {
        pthread_mutex_lock(&pool->lock);
        pool->pending--;
        pthread_mutex_unlock(&pool->lock);
        job->done(job); /* frees it, and may submit another */
    }
}

size_t am_pool_pending(const struct am_pool *pool)
{
    struct am_pool *own = (struct am_pool *)pool;
    pthread_mutex_lock(&own->lock);
    const size_t pending = pool->pending;
    pthread_mutex_unlock(&own->lock);
    return pending;
}

void am_pool_free(struct am_pool *pool)
{
    if (!pool)
        return;
    /* done may submit what comes next; that is run too, until nothing is left. */
    while (pool->threads && am_pool_pending(pool)) {
        am_pool_finish(pool);
        if (am_pool_pending(pool))
            usleep(1000);
    }
    pthread_mutex_lock(&pool->lock);
    pool->ending = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    if (pool->wake >= 0)
        close(pool->wake);
    free(pool);
}
