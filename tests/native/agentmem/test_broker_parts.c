/* The parts of the broker that need no store: its pool, its holder of memfds, processes, the secret, names, the
 * journal, and when it takes memory for short. */
#include "agentmem.h"
#include "folder.h"
#include "holder.h"
#include "journal.h"
#include "pool.h"
#include "pressure.h"
#include "process.h"
#include "wire_check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
#define CHECK(what) \
    ((what) ? (void)0 : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what)))

struct counting { struct am_job job; _Atomic int *ran; int *done; struct am_pool *pool; int again; };

static void run(struct am_job *job)
{
    atomic_fetch_add(((struct counting *)job)->ran, 1);
}

static void done(struct am_job *job)
{
    struct counting *own = (struct counting *)job;
    ++*own->done;
    if (own->again) { /* a job may be followed by another */
        own->again--;
        if (am_pool_submit(own->pool, job) == AM_OK)
            return;
    }
    free(own);
}

static int submit(struct am_pool *pool, _Atomic int *ran, int *finished, int again)
{
    struct counting *job = calloc(1, sizeof *job);
    *job = (struct counting){{run, done, NULL}, ran, finished, pool, again};
    const int status = am_pool_submit(pool, &job->job);
    if (status != AM_OK)
        free(job);
    return status;
}

static void pools(void)
{
    for (unsigned threads = 0; threads < 4; threads++) {
        struct am_pool *pool;
        _Atomic int ran = 0;
        int finished = 0, taken = 0;
        CHECK(am_pool_create(threads, 64, &pool) == AM_OK);
        while (finished < 2000) {
            if (submit(pool, &ran, &finished, 1) == AM_OK)
                taken++;
            else if (threads) { /* full: wait for what has finished */
                struct pollfd wait = {am_pool_fd(pool), POLLIN, 0};
                CHECK(poll(&wait, 1, 60000) == 1);
                am_pool_finish(pool);
            }
        }
        CHECK((am_pool_fd(pool) >= 0) == (threads > 0));
        submit(pool, &ran, &finished, 5);
        am_pool_free(pool); /* with work left: it is done, and what follows it */
        CHECK(atomic_load(&ran) == finished);
        CHECK(finished >= taken); /* what follows a job is refused like any other when the queue is full */
    }
}

static int kept_file(const char *text)
{
    const int fd = memfd_create("kept", MFD_CLOEXEC);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static void holders(void)
{
    int line[2];
    struct am_holder holder = {0};
    char text[8] = "";
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) == 0);
    CHECK(am_holder_receive(&holder, line[0]) == 0);
    for (uint32_t n = 0; n < 200; n++) {
        const int fd = kept_file(n % 2 ? "odd" : "even");
        CHECK(am_holder_tell(line[1], AM_TOLD_KEEP, &(struct am_kept){1, 2, n % 150, 4}, fd));
        close(fd);
        CHECK(am_holder_receive(&holder, line[0]) == AM_TOLD_KEEP);
    }
    CHECK(holder.count == 150 && holder.refused == 0);
    CHECK(am_holder_tell(line[1], AM_TOLD_LET_GO, &(struct am_kept){1, 2, 0, 4}, -1));
    CHECK(am_holder_tell(line[1], AM_TOLD_LET_GO, &(struct am_kept){1, 2, 0, 5}, -1)); /* is none */
    CHECK(am_holder_tell(line[1], AM_TOLD_READY, NULL, -1));
    CHECK(am_holder_receive(&holder, line[0]) == AM_TOLD_LET_GO);
    CHECK(am_holder_receive(&holder, line[0]) == AM_TOLD_LET_GO);
    CHECK(am_holder_receive(&holder, line[0]) == AM_TOLD_READY);
    CHECK(holder.count == 149);
    for (size_t i = 0; i < holder.count; i++) {
        CHECK(pread(holder.kept[i].fd, text, sizeof text, 0) > 0);
        CHECK(text[0] == (holder.kept[i].what.number % 2 ? 'o' : 'e'));
    }
    CHECK(send(line[1], "short", 5, 0) == 5);
    CHECK(am_holder_receive(&holder, line[0]) == -1);
    close(line[1]);
    CHECK(am_holder_receive(&holder, line[0]) == -1);
    CHECK(!am_holder_tell(line[0], AM_TOLD_READY, NULL, -1));
    const int one = holder.kept[0].fd;
    am_holder_drop_all(&holder);
    CHECK(fcntl(one, F_GETFD) < 0 && errno == EBADF && holder.count == 0);
    close(line[0]);
}

static void processes(void)
{
    struct am_process own, peer;
    int pair[2];
    CHECK(am_process_open(getpid(), &own) == AM_OK);
    CHECK(own.user == geteuid() && own.start > 0 && !am_process_ended(own.pidfd));
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(am_process_of_peer(pair[0], &peer) == AM_OK);
    CHECK(peer.pid == getpid() && peer.start == own.start && peer.user == geteuid());
    close(own.pidfd);
    close(peer.pidfd);
    close(pair[0]);
    close(pair[1]);
    const pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(am_process_open(child, &own) == AM_OK);
    kill(child, SIGKILL);
    CHECK(poll(&(struct pollfd){own.pidfd, POLLIN, 0}, 1, 60000) == 1);
    CHECK(am_process_ended(own.pidfd));
    CHECK(am_process_open(child, &peer) == AM_ENOTFOUND); /* a zombie is none */
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(am_process_open(child, &peer) == AM_ENOTFOUND);
    CHECK(am_process_open(0, &peer) == AM_ENOTFOUND && am_process_open(-1, &peer) == AM_ENOTFOUND);
    close(own.pidfd);
}

static void secrets(void)
{
    char folder[] = "/tmp/am_secretXXXXXX", path[64], error[AM_ERROR];
    uint8_t first[32], second[32];
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/secret", folder);
    CHECK(am_folder_secret(folder, first, error) == 0 && am_folder_secret(folder, second, error) == 0);
    CHECK(memcmp(first, second, 32) == 0);
    CHECK(chmod(path, 0644) == 0 && am_folder_secret(folder, second, error) == -1 && strstr(error, "chmod 600"));
    CHECK(chmod(path, 0600) == 0 && truncate(path, 31) == 0);
    CHECK(am_folder_secret(folder, second, error) == -1 && strstr(error, "32 bytes"));
    CHECK(truncate(path, 33) == 0 && am_folder_secret(folder, second, error) == -1);
    CHECK(unlink(path) == 0 && symlink("/etc/hostname", path) == 0);
    CHECK(am_folder_secret(folder, second, error) == -1);
    const int lock = am_folder_lock(folder, error);
    CHECK(lock >= 0 && am_folder_lock(folder, error) == -1);
    close(lock);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock", folder);
    unlink(path);
    CHECK(rmdir(folder) == 0);
}

/* RFC 3629: what is a name and what is none. */
static void names(void)
{
    static const struct { const char *bytes; int status; } cases[] = {
        {"plain", AM_OK}, {"gr\xc3\xbc\xc3\x9f", AM_OK}, {"\xe2\x82\xac", AM_OK}, {"\xf0\x9f\x98\x80", AM_OK},
        {"\xf4\x8f\xbf\xbf", AM_OK}, {"\xed\x9f\xbf", AM_OK}, {"\xee\x80\x80", AM_OK},
        {"\xc0\xaf", AM_EINVAL}, {"\xe0\x80\xaf", AM_EINVAL}, {"\xed\xa0\x80", AM_EINVAL}, /* overlong, surrogate */
        {"\xf4\x90\x80\x80", AM_EINVAL}, {"\xf5\x80\x80\x80", AM_EINVAL}, {"\xc3", AM_EINVAL}, {"\x80", AM_EINVAL},
        {"\xe2\x82", AM_EINVAL}, {"\xf0\x8f\xbf\xbf", AM_EINVAL}, {"a\tb", AM_EINVAL}, {"a\x7f", AM_EINVAL},
        {"", AM_EINVAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t packet[64];
        const size_t bytes = strlen(cases[i].bytes);
        const struct am_request head = {.operation = AM_OP_HEAD_GET, .bytes = (uint32_t)bytes, .sequence = i};
        struct am_checked is;
        char text[AM_REFUSAL], quoted[64];
        memcpy(packet, &head, sizeof head);
        memcpy(packet + sizeof head, cases[i].bytes, bytes);
        const int status = am_wire_check(packet, sizeof head + bytes, false, &is, text);
        if (status != cases[i].status)
            fprintf(stderr, "name %s: status %d\n", am_journal_text(quoted, sizeof quoted, cases[i].bytes, bytes),
                    status);
        CHECK(status == cases[i].status && is.sequence == i);
    }
    char quoted[16];
    CHECK(strcmp(am_journal_text(quoted, sizeof quoted, "a\n\"b", 4), "\"a\\x0a\\x22...\"") == 0);
    CHECK(strcmp(am_journal_text(quoted, sizeof quoted, "abc", 3), "\"abc\"") == 0);
}

/* A line is whole, and a file that is full begins again and says so. */
static void journals(void)
{
    char text[256];
    const int fd = kept_file("before\n");
    am_journal_to(fd);
    am_say("one", "number=%d", 1);
    ssize_t bytes = pread(fd, text, sizeof text - 1, 7);
    text[bytes > 0 ? bytes : 0] = 0;
    CHECK(strstr(text, "event=one number=1\n") && strchr(text, '\n') == text + bytes - 1);
    CHECK(ftruncate(fd, AM_JOURNAL_LARGEST) == 0);
    CHECK(lseek(fd, 0, SEEK_SET) == 0); /* as a file opened for appending does by itself */
    am_say("two", "number=%d", 2);
    bytes = pread(fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = 0;
    const char *first = strstr(text, "Z pid="), *second = strstr(text, "event=two number=2\n");
    CHECK(first && strstr(first, "event=journal_began_again ") && second && !second[19]);
    am_journal_to(STDERR_FILENO);
    close(fd);
}

/* A file below a folder, with the folders on the way. */
static void put_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int remove_one(const char *path, const struct stat *is, int kind, struct FTW *place)
{
    (void)is, (void)kind, (void)place;
    return remove(path);
}

static bool is_left(const char *folder, uint64_t bytes, uint64_t total)
{
    char groups[64];
    snprintf(groups, sizeof groups, "%s/groups", folder);
    const struct am_available left = am_available_now(folder, groups);
    if (left.bytes != bytes || left.total != total)
        fprintf(stderr, "available: %llu of %llu\n", (unsigned long long)left.bytes,
                (unsigned long long)left.total);
    return left.bytes == bytes && left.total == total;
}

static void what_is_left(void)
{
    char folder[] = "/tmp/am_leftXXXXXX";
    CHECK(mkdtemp(folder));
    CHECK(is_left(folder, 0, 0));
    put_file(folder, "meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:   600 kB\n");
    CHECK(is_left(folder, 600 * 1024, 1000 * 1024));

    /* Version 2: of the group, its parents and the machine, the scarcest; cache can be given back. */
    put_file(folder, "self/cgroup", "0::/user/agents\n");
    put_file(folder, "groups/user/agents/memory.max", "max\n");
    put_file(folder, "groups/user/agents/memory.high", "max\n");
    put_file(folder, "groups/user/agents/memory.current", "900\n");
    CHECK(is_left(folder, 600 * 1024, 1000 * 1024));
    put_file(folder, "groups/user/agents/memory.max", "1000\n");
    CHECK(is_left(folder, 100, 1000));
    put_file(folder, "groups/user/agents/memory.stat", "anon 500\nactive_file 150\ninactive_file 50\n");
    CHECK(is_left(folder, 300, 1000));
    put_file(folder, "groups/user/agents/memory.high", "800\n");
    CHECK(is_left(folder, 100, 800));
    put_file(folder, "groups/user/memory.max", "2000\n");
    put_file(folder, "groups/user/memory.current", "2001\n");
    CHECK(is_left(folder, 0, 2000));
    put_file(folder, "self/cgroup", "0::/\n");
    CHECK(is_left(folder, 600 * 1024, 1000 * 1024));
    put_file(folder, "groups/memory.max", "4000\n"); /* a container's own */
    put_file(folder, "groups/memory.current", "3000\n");
    CHECK(is_left(folder, 1000, 4000));

    /* Version 1, also where the path is the host's and the container has only its own folder. */
    put_file(folder, "self/cgroup", "5:cpu,cpuset:/c\n4:memory:/host/one\n0::/\n");
    CHECK(is_left(folder, 600 * 1024, 1000 * 1024));
    put_file(folder, "groups/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put_file(folder, "groups/memory/memory.usage_in_bytes", "950\n");
    CHECK(is_left(folder, 600 * 1024, 1000 * 1024));
    put_file(folder, "groups/memory/memory.limit_in_bytes", "1000\n");
    put_file(folder, "groups/memory/memory.stat", "inactive_file 0\ntotal_inactive_file 30\n");
    CHECK(is_left(folder, 80, 1000));
    CHECK(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    CHECK(am_available_now("/proc", "/sys/fs/cgroup").total > 0);
}

/* Stalls alone are no shortage: a busy disk or another's own limit causes them, too. */
static void shortage(void)
{
    static const struct { bool stalled; uint64_t bytes, total; int level; } cases[] = {
        {true, 500, 1000, 0}, {true, 100, 1000, 0},   {true, 99, 1000, 2}, {true, 0, 1000, 2},
        {true, 0, 0, 2},      {false, 500, 1000, 0},  {false, 99, 1000, 0}, {false, 50, 1000, 0},
        {false, 49, 1000, 1}, {false, 0, 1000, 1},    {false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int level =
            am_pressure_judge(cases[i].stalled, (struct am_available){cases[i].bytes, cases[i].total});
        if (level != cases[i].level)
            fprintf(stderr, "case %zu: level %d\n", i, level);
        CHECK(level == cases[i].level);
    }
}

int main(void)
{
    pools();
    holders();
    processes();
    secrets();
    names();
    journals();
    what_is_left();
    shortage();
    return failures != 0;
}
