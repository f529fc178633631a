/* See broker.h: the parts of one broker process, put together and taken apart again. */
#include "broker.h"

#include "journal.h"
#include "server.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define JOBS 1024u

struct broker {
    struct am_server server;
    struct am_pressure pressure;
    struct am_measure seccomp;
    struct am_watch signals, line;
    struct am_broker_start start;
    bool *replaced; /* while the store opens: which of what was kept it has made anew; NULL later */
    bool ending, orphan; /* orphan: the supervisor has gone; nobody else removes the socket's file */
};

static void keep(void *context, const struct am_kept *what, int fd)
{
    const struct broker *own = context;
    for (size_t i = 0; own->replaced && i < own->start.holder->count; i++)
        own->replaced[i] |= am_kept_same(&own->start.holder->kept[i].what, what);
    if (!am_holder_tell(own->start.line, AM_TOLD_KEEP, what, fd))
        am_say("not_kept", "kind=%u number=%u", what->kind, what->number);
}

static void let_go(void *context, const struct am_kept *what)
{
    const struct broker *own = context;
    am_holder_tell(own->start.line, AM_TOLD_LET_GO, what, -1);
}

static void signalled(struct am_watch *watch, uint32_t events)
{
    struct broker *own = (struct broker *)((char *)watch - offsetof(struct broker, signals));
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == sizeof info)
        own->ending = true;
}

static void line_ended(struct am_watch *watch, uint32_t events)
{
    struct broker *own = (struct broker *)((char *)watch - offsetof(struct broker, line));
    (void)events; /* the supervisor says nothing on it, so this is its end */
    own->ending = own->orphan = true;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    (void)context;
    am_say("cold_log_broken", "segment=%u offset=%llu bytes=%llu what=\"%s\"", segment,
           (unsigned long long)offset, (unsigned long long)bytes, what);
}

/* What the store neither took over nor made anew is of no use to the next broker either. */
static void give_up_unused(struct broker *own)
{
    struct am_holder *holder = own->start.holder;
    size_t unused = 0;
    for (size_t i = 0; i < holder->count; i++) {
        if (holder->kept[i].fd < 0)
            continue;
        close(holder->kept[i].fd);
        if (own->replaced[i])
            continue;
        am_holder_tell(own->start.line, AM_TOLD_LET_GO, &holder->kept[i].what, -1);
        unused++;
    }
    if (holder->count)
        am_say("took_over", "memfds=%zu unused=%zu", holder->count - unused, unused);
}

static int open_store(struct broker *own, struct am_pool *pool, struct am_store **store)
{
    const struct am_broker_options *said = own->start.options;
    static char cold[PATH_MAX + 8];
    snprintf(cold, sizeof cold, "%s/cold", said->folder);
    struct am_store_options options = {.hot_bytes = said->hot,
                                       .warm_bytes = said->warm,
                                       .cold_bytes = said->cold,
                                       .cold_folder = cold,
                                       .cold_disk = said->cold_on[0] ? said->cold_on : NULL,
                                       .agent_bytes = said->quota_bytes,
                                       .agent_units = said->quota_units,
                                       .warm_after_ms = said->warm_after_ms,
                                       .cold_after_ms = said->cold_after_ms,
                                       .pool = pool,
                                       .keep = keep,
                                       .let_go = let_go,
                                       .broken = broken,
                                       .context = own,
                                       .kept = own->start.holder->kept,
                                       .kept_count = own->start.holder->count};
    own->replaced = calloc(options.kept_count + 1, sizeof *own->replaced);
    if (!own->replaced)
        return AM_ENOMEM;
    memcpy(options.secret, own->start.secret, sizeof options.secret);
    const int status = am_store_open(&options, store);
    explicit_bzero(options.secret, sizeof options.secret);
    explicit_bzero(own->start.secret, sizeof own->start.secret);
    if (status == AM_OK)
        give_up_unused(own);
    free(own->replaced);
    own->replaced = NULL;
    return status;
}

static int watch_ends(struct broker *own)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    const int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    own->signals.ready = signalled;
    own->line.ready = line_ended;
    if (fd < 0)
        return AM_EFILES;
    const int status = am_loop_add(own->server.loop, &own->signals, fd, EPOLLIN);
    return status ? status : am_loop_add(own->server.loop, &own->line, own->start.line, EPOLLRDHUP);
}

static void serve(struct broker *own)
{
    const struct am_sandbox *box = &own->start.sandbox;
    am_say("serves",
           "socket=\"%s\" folder=\"%s\" epoch=%llu restarts=%u kept=%zu landlock=%s seccomp=%s pressure=%s",
           own->start.options->socket, own->start.options->folder,
           (unsigned long long)am_store_epoch(own->server.store), own->start.restarts,
           own->start.holder->count, box->landlock.on ? "on" : "off", own->seccomp.on ? "on" : "off",
           own->pressure.source);
    am_holder_tell(own->start.line, AM_TOLD_READY, NULL, -1);
    while (!own->ending)
        am_server_turn(&own->server);
}

/* A first broker that cannot open its store never will; a later one perhaps without what was kept. */
static int unusable(const struct broker *own, const char *what, int status)
{
    const char *text = own->server.store ? am_store_error(own->server.store) : am_status_word(status);
    const bool passing = status == AM_EFILES || status == AM_ENOMEM || own->start.holder->count;
    am_say("cannot_serve", "what=%s reason=\"%s\"", what, text);
    return passing ? 1 : AM_EXIT_UNUSABLE;
}

int am_broker_run(const struct am_broker_start *start)
{
    static struct broker broker; /* large, and one a process */
    struct broker *own = &broker;
    struct am_pool *pool = NULL;
    own->start = *start;
    own->server.start = &own->start;
    own->server.pressure = &own->pressure;
    own->server.seccomp = &own->seccomp;
    prctl(PR_SET_NAME, "agentmemd");
    am_sandbox_memory(&own->start.sandbox);
    int status = am_loop_create(&own->server.loop);
    if (status == AM_OK)
        status = watch_ends(own);
    if (status != AM_OK)
        return unusable(own, "loop", status);
    am_pressure_open(&own->pressure, own->server.loop);
    if (start->options->sandbox)
        am_sandbox_calls(&own->seccomp, start->options->cold_on[0] != 0);
    else
        am_measure_set(&own->seccomp, false, "--no-sandbox");
    status = am_pool_create(start->options->workers, JOBS, &pool);
    if (status != AM_OK)
        return unusable(own, "workers", status);
    own->server.pool = pool;
    status = open_store(own, pool, &own->server.store);
    if (status != AM_OK) {
        status = unusable(own, "store", status);
        am_store_close(own->server.store, false);
        am_pool_free(pool);
        return status;
    }
    status = am_server_open(&own->server, start->listener);
    if (status != AM_OK)
        return unusable(own, "server", status);
    serve(own);
    am_say("flushes", "reason=%s connections=%u", own->orphan ? "supervisor_ended" : "signal",
           own->server.connected);
    am_server_close(&own->server);
    am_store_close(own->server.store, true);
    am_pool_free(pool);
    am_pressure_close(&own->pressure);
    am_loop_free(own->server.loop);
    if (own->orphan)
        unlink(start->options->socket);
    return 0;
}
