/* See supervisor.h. */
#include "supervisor.h"

#include "broker.h"
#include "folder.h"
#include "journal.h"
#include "log.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct supervisor {
    struct am_broker_options *options;
    struct am_broker_start start;
    struct am_holder holder;
    int signals, line, ready; /* ready: who waits for us in the foreground; -1 none */
    pid_t broker;             /* 0: none runs */
    uint64_t started_ms, start_at_ms;
    unsigned quick_deaths;
    uint64_t kill_at_ms; /* when a broker that was asked to end is killed; UINT64_MAX: it was not asked */
    bool gave_up_kept, ending;
    int status;
};

/* One byte to the process that was started in the foreground: 1 it runs, 0 it does not. */
static void tell_starter(struct supervisor *own, char well)
{
    if (own->ready < 0)
        return;
    if (write(own->ready, &well, 1) != 1)
        am_say("starter_gone", "reason=%s", strerror(errno));
    close(own->ready);
    own->ready = -1;
}

static void start_broker(struct supervisor *own)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        own->start_at_ms = am_loop_now() + AM_BACK_OFF_MOST_MS;
        am_say("broker_not_started", "reason=\"%s\"", strerror(errno));
        return;
    }
    const pid_t supervisor = getpid(), child = fork();
    if (child == 0) {
        close(pair[0]);
        close(own->signals);
        if (own->ready >= 0)
            close(own->ready);
        own->start.line = pair[1];
        own->start.holder = &own->holder;
        if (getppid() != supervisor)
            _exit(0); /* it was killed between */
        exit(am_broker_run(&own->start));
    }
    close(pair[1]);
    if (child < 0) {
        close(pair[0]);
        own->start_at_ms = am_loop_now() + AM_BACK_OFF_MOST_MS;
        am_say("broker_not_started", "reason=\"%s\"", strerror(errno));
        return;
    }
    own->line = pair[0];
    own->broker = child;
    own->started_ms = am_loop_now();
    own->start_at_ms = UINT64_MAX;
}

/* All that the broker said; also what it said before it died, so that no memfd is lost in the queue. */
static void listen_to_broker(struct supervisor *own)
{
    for (int told; own->line >= 0 && (told = am_holder_receive(&own->holder, own->line)) != 0;) {
        if (told == AM_TOLD_READY)
            tell_starter(own, 1);
        if (told < 0) {
            close(own->line);
            own->line = -1;
        }
    }
}

static void after_death(struct supervisor *own, int how)
{
    const uint64_t now = am_loop_now(), lived = now - own->started_ms;
    const bool clean = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    own->broker = 0;
    if (clean || own->ending || (WIFEXITED(how) && WEXITSTATUS(how) == AM_EXIT_UNUSABLE)) {
        own->ending = true;
        own->status = clean ? 0 : WIFEXITED(how) ? WEXITSTATUS(how) : 1;
        return;
    }
    own->start.restarts++;
    /* SIGKILL comes from outside: no fault of the broker, nor of what was kept. */
    const bool killed = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
    if (lived >= AM_QUICK_MS)
        own->quick_deaths = 0, own->gave_up_kept = false;
    else if (!killed)
        own->quick_deaths++;
    uint64_t wait = 0;
    for (unsigned i = 1; i < own->quick_deaths; i++)
        wait = wait ? 2 * wait : AM_BACK_OFF_LEAST_MS;
    own->start_at_ms = now + (wait < AM_BACK_OFF_MOST_MS ? wait : AM_BACK_OFF_MOST_MS);
    am_say("broker_died", "%s=%d lived_ms=%llu restarts=%u kept=%zu", WIFSIGNALED(how) ? "signal" : "status",
           WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how), (unsigned long long)lived,
           own->start.restarts, own->holder.count);
    if (own->quick_deaths < AM_QUICK_DEATHS)
        return;
    own->quick_deaths = 0;
    if (own->gave_up_kept) {
        am_say("gives_up", "reason=\"%d brokers in a row died at once\"", 2 * AM_QUICK_DEATHS);
        own->ending = true;
        own->status = 1;
        return;
    }
    own->gave_up_kept = true;
    am_say("kept_given_up", "memfds=%zu reason=\"%d brokers in a row died at once with them\"",
           own->holder.count, AM_QUICK_DEATHS);
    am_holder_drop_all(&own->holder);
}

static void on_signal(struct supervisor *own)
{
    struct signalfd_siginfo info;
    while (read(own->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue; /* waited for below, by pid */
        am_say("ends", "signal=%u from_pid=%u", info.ssi_signo, info.ssi_pid);
        /* SIGTERM comes more than once where a parent's threads die one by one (PR_SET_PDEATHSIG). */
        if (own->ending && info.ssi_signo == SIGINT)
            own->kill_at_ms = 0;
        if (own->ending)
            continue;
        own->ending = true;
        own->kill_at_ms = am_loop_now() + AM_END_MS;
        if (own->broker)
            kill(own->broker, SIGTERM);
    }
    int how;
    if (own->broker && waitpid(own->broker, &how, WNOHANG) == own->broker) {
        listen_to_broker(own);
        if (own->line >= 0)
            close(own->line);
        own->line = -1;
        after_death(own, how);
    }
}

static void supervise(struct supervisor *own)
{
    while (own->broker || !own->ending) {
        const uint64_t now = am_loop_now();
        if (!own->broker && own->start_at_ms <= now)
            start_broker(own);
        if (own->broker && own->kill_at_ms <= now) {
            am_say("broker_killed", "reason=\"it did not end in %d s, or was not to be waited for\"",
                   AM_END_MS / 1000);
            kill(own->broker, SIGKILL);
            own->kill_at_ms = UINT64_MAX;
        }
        struct pollfd wait[2] = {{own->signals, POLLIN, 0}, {own->line, POLLIN, 0}};
        const uint64_t next = own->start_at_ms < own->kill_at_ms ? own->start_at_ms : own->kill_at_ms;
        if (poll(wait, 2, next == UINT64_MAX ? -1 : next <= now ? 0 : (int)(next - now)) < 0)
            continue;
        if (wait[1].revents)
            listen_to_broker(own);
        if (wait[0].revents)
            on_signal(own);
    }
}

/* Leave the terminal; the process that was started waits for the byte of tell_starter. */
static int detach(int *ready)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return -1;
    const pid_t child = fork();
    if (child < 0)
        return -1;
    if (child > 0) {
        char well = 0;
        close(pipes[1]);
        while (read(pipes[0], &well, 1) < 0 && errno == EINTR)
            ;
        if (!well)
            fprintf(stderr, "nexus-agentmemd: it did not start; the end of agentmemd.log in its folder says "
                            "why\n");
        _exit(well ? 0 : 1);
    }
    close(pipes[0]);
    setsid();
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; nothing >= 0 && fd <= 2; fd++)
        dup2(nothing, fd);
    if (nothing > 2)
        close(nothing);
    *ready = pipes[1];
    return 0;
}

int am_supervise(struct am_broker_options *options)
{
    struct supervisor own = {.options = options, .line = -1, .ready = -1, .kill_at_ms = UINT64_MAX};
    char error[AM_ERROR], absolute[PATH_MAX];
    int socket_lock = -1, folder_lock = -1, journal = STDERR_FILENO;
    umask(077);
    own.start.options = options;
    if (am_folder_make(options->folder, error) != 0
        || (folder_lock = am_folder_lock(options->folder, error)) < 0
        || am_folder_secret(options->folder, own.start.secret, error) != 0
        || (own.start.listener = am_folder_listen(options->socket, &socket_lock, error)) < 0
        || (!options->foreground && (journal = am_folder_journal(options->folder, error)) < 0)) {
        fprintf(stderr, "nexus-agentmemd: %s\n", error);
        return 1;
    }
    if (realpath(options->folder, absolute))
        memcpy(options->folder, absolute, sizeof absolute);
    if (!options->foreground && detach(&own.ready) != 0) {
        fprintf(stderr, "nexus-agentmemd: cannot leave the foreground: %s\n", strerror(errno));
        return 1;
    }
    am_journal_to(journal);
    prctl(PR_SET_NAME, "agentmemd-hold");
    am_sandbox_process(&own.start.sandbox, options->debug);
    if (options->with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    char disk[16];
    const bool bare = am_log_nvme_address(options->cold_on, disk);
    if (options->sandbox)
        am_sandbox_files(&own.start.sandbox, options->folder, options->socket, bare ? disk : NULL);
    else
        am_measure_set(&own.start.sandbox.landlock, false, "--no-sandbox");
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGCHLD);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    own.signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (own.signals < 0) {
        fprintf(stderr, "nexus-agentmemd: no descriptor for signals: %s\n", strerror(errno));
        return 1;
    }
    supervise(&own);
    unlink(options->socket);
    tell_starter(&own, 0);
    am_holder_drop_all(&own.holder);
    explicit_bzero(own.start.secret, sizeof own.start.secret);
    am_say("ended", "status=%d", own.status);
    return own.status;
}
