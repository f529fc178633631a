/* kill -9 while a child appends, syncs, drops and compacts; and disks, files and limits that run out.
 *
 * Parent and child share a page of promises: for each thing the newest version that was begun and the newest
 * that a sync had covered. After the kill what is found lies between the two. Odd versions are alive, even
 * ones are deaths. Half of the lives sync seldom: what a kill cuts short is then mostly not synced, yet is no
 * damage, and compaction's own syncs are met.
 */
#include "log_folder.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { NAMES = 200, LIMIT = 24 << 20 };
struct promises {
    _Atomic uint64_t begun[NAMES], kept[NAMES], operations;
};
struct state {
    uint64_t version[NAMES], address[NAMES], random;
    struct promises *promises;
    struct am_log *log;
    int failed;
};

static uint64_t length_of(uint64_t name, uint64_t version)
{
    const uint64_t mixed = (name * 31 + version) * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    return version % 2 == 0 ? 0 : mixed % (mixed % 20 == 0 ? 300000 : 6000);
}

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct state *state = context;
    static uint8_t want[300000];
    const uint64_t name = head->realm, version = head->time_ms;
    fill(want, head->payload_bytes, name * 1000003 + version);
    EXPECT(state, name < NAMES && head->payload_bytes == length_of(name, version) &&
                      (head->payload_bytes == 0 || memcmp(want, payload, head->payload_bytes) == 0),
           "name %llu version %llu is not what was written", (unsigned long long)name,
           (unsigned long long)version);
    EXPECT(state, version >= state->version[name], "name %llu: out of order", (unsigned long long)name);
    if (state->address[name] != 0)
        am_log_drop(state->log, state->address[name]);
    state->version[name] = version;
    state->address[name] = version % 2 == 0 ? 0 : address;
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    EXPECT((struct state *)context, what == AM_LOG_TORN, "segment %u, %llu bytes at %llu: %s", segment,
           (unsigned long long)bytes, (unsigned long long)offset, what);
}

static bool moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    struct state *state = context;
    EXPECT(state, state->address[head->realm] == from, "moved what was not there");
    state->address[head->realm] = to;
    return true;
}

static void open_and_check(struct state *state, const char *folder, bool uring)
{
    const int status = am_log_open_disk(folder, LIMIT, uring, &state->log);
    EXPECT(state, status == 0, "open: status %d", status);
    if (status != 0)
        exit(EXIT_FAILURE);
    EXPECT(state, am_log_scan(state->log, visit, broken, state) == 0, "scan");
    for (uint64_t i = 0; i < NAMES; i++) {
        const uint64_t kept = state->promises->kept[i], begun = state->promises->begun[i];
        /* A death that nothing needs any more goes; one before it, or nothing, says the same. Compaction syncs
         * too: it may be one that was begun after the last sync of this test's. */
        const uint64_t death = begun - begun % 2;
        const bool vanished = death >= kept && state->version[i] % 2 == 0 && state->version[i] <= kept;
        EXPECT(state, vanished || (state->version[i] >= kept && state->version[i] <= begun),
               "name %llu: version %llu, synced was %llu, begun %llu", (unsigned long long)i,
               (unsigned long long)state->version[i], (unsigned long long)kept, (unsigned long long)begun);
        if (vanished)
            state->version[i] = death;
    }
}

static void work(struct state *state, bool seldom)
{
    static uint8_t bytes[300000];
    for (;;) {
        state->random = state->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const uint64_t name = (state->random >> 33) % NAMES, what = state->random >> 58;
        const uint64_t version = state->version[name] + 1;
        struct am_log_head head = {.kind = version % 2 == 0 ? AM_RECORD_GONE : AM_RECORD_UNIT,
                                   .realm = (uint32_t)name,
                                   .time_ms = version, .payload_bytes = length_of(name, version)};
        uint64_t address;
        atomic_store(&state->promises->begun[name], version);
        fill(bytes, head.payload_bytes, name * 1000003 + version);
        const int status = am_log_append(state->log, &head, bytes, &address);
        if (status == 0) {
            if (state->address[name] != 0)
                am_log_drop(state->log, state->address[name]);
            state->version[name] = version;
            state->address[name] = version % 2 == 0 ? 0 : address;
        } else if (status != AM_EDISK) {
            abort();
        }
        if (what < (seldom ? 1u : 12u) && am_log_sync(state->log) == 0)
            for (size_t i = 0; i < NAMES; i++)
                atomic_store(&state->promises->kept[i], state->version[i]);
        if (what > 40)
            am_log_compact(state->log, 300000, moved, state);
        atomic_fetch_add(&state->promises->operations, 1);
    }
}

static int kills(void)
{
    struct model *model = model_new(5, 1);
    struct promises *promises = mmap(NULL, sizeof *promises, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int failed = 0;
    folder_make(model);
    for (int round = 0; round < 40; round++) {
        const uint64_t until = atomic_load(&promises->operations) + draw(model, 300);
        fflush(stdout);
        const pid_t child = fork();
        struct state state = {.promises = promises, .random = draw(model, UINT64_MAX)};
        if (child == 0) {
            open_and_check(&state, model->folder, round % 2 == 0);
            if (state.failed)
                exit(EXIT_FAILURE);
            for (size_t i = 0; i < NAMES; i++) /* what is there now is what counts from here */
                atomic_store(&promises->begun[i], state.version[i]);
            work(&state, round / 2 % 2 == 0); /* with io_uring and without */
        }
        int status = 0;
        pid_t ended = 0;
        for (int waits = 0; ended == 0 && waits < 60000; waits++) {
            if (atomic_load(&promises->operations) >= until)
                break;
            nanosleep(&(struct timespec){0, 1000000}, NULL);
            ended = waitpid(child, &status, WNOHANG);
        }
        nanosleep(&(struct timespec){0, (long)draw(model, 3000000)}, NULL);
        kill(child, SIGKILL);
        if (ended == 0)
            waitpid(child, &status, 0);
        EXPECT(model, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "round %d: status %d", round,
               status);
    }
    struct state state = {.promises = promises};
    open_and_check(&state, model->folder, false);
    struct am_log_stats stats;
    am_log_stats(state.log, &stats);
    printf("%llu operations before 40 kills, %llu records in %llu segments\n",
           (unsigned long long)promises->operations, (unsigned long long)stats.records,
           (unsigned long long)stats.segments);
    am_log_close(state.log);
    failed += state.failed;
    folder_remove(model);
    return failed + model_free(model);
}

/* Fill it until it is full, make room, go on. */
static void fill_and_mend(struct model *model, uint64_t limit)
{
    EXPECT(model, am_log_open_disk(model->folder, limit, true, &model->log) == 0, "open");
    for (int round = 0; round < 3; round++) {
        model->refused = 0;
        for (size_t i = 0; i < THINGS && model->refused < 5; i++)
            if (!model->things[i].alive)
                model_append(model, i);
        EXPECT(model, model->refused > 0, "round %d: the disk never became full", round);
        model_check(model);
        for (size_t i = round % 2; i < THINGS; i += 2)
            if (model->things[i].alive)
                model_drop(model, i, false);
        for (int64_t n; (n = am_log_compact(model->log, 1 << 20, model_moved, model)) != 0;)
            if (n < 0) {
                EXPECT(model, n == AM_EDISK, "compact: %lld", (long long)n);
                break;
            }
        model_check(model);
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        am_log_close(model->log);
        EXPECT(model, am_log_open_disk(model->folder, limit, true, &model->log) == 0, "open again");
        model_replay(model);
    }
    am_log_close(model->log);
}

static int full_disk(void)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        struct model *model = model_new(6, 200000);
        folder_make(model);
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", model->folder, "tmpfs", 0, "size=4m") != 0) {
            printf("skipped: a small file system takes the right to mount (errno %d)\n", errno);
            rmdir(model->folder);
            exit(EXIT_SUCCESS);
        }
        fill_and_mend(model, 16 << 20); /* segments of a megabyte, and a quarter of what the limit says */
        umount(model->folder);
        rmdir(model->folder);
        exit(model_free(model) != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return status != 0;
}

static int full_limit(void)
{
    struct model *model = model_new(7, 200000);
    folder_make(model);
    fill_and_mend(model, 4 << 20);
    folder_remove(model);
    return model_free(model);
}

/* A write that fails in the middle of a large record takes nothing with it, and can be tried again. */
static int failing_writes(void)
{
    struct model *model = model_new(8, 5u << 20);
    struct rlimit size, files, none;
    folder_make(model);
    signal(SIGXFSZ, SIG_IGN);
    EXPECT(model, am_log_open_disk(model->folder, 0, true, &model->log) == 0, "open");
    for (size_t i = 0; i < 60; i++)
        model_append(model, i);
    getrlimit(RLIMIT_FSIZE, &size);
    none = size;
    none.rlim_cur = 3 << 20; /* the segment is there; writing beyond fails */
    setrlimit(RLIMIT_FSIZE, &none);
    uint8_t *large = malloc(5u << 20);
    fill(large, 5u << 20, 1);
    const struct am_log_head head = {.kind = AM_RECORD_UNIT, .base_or_number = THINGS - 1,
                                     .payload_bytes = 5u << 20};
    uint64_t address;
    EXPECT(model, am_log_append(model->log, &head, large, &address) == AM_EDISK, "it was taken");
    model_check(model);
    for (size_t i = 60; i < 70; i++)
        model_append(model, i);
    model_check(model);
    setrlimit(RLIMIT_FSIZE, &size);
    EXPECT(model, am_log_append(model->log, &head, large, &address) == 0, "not taken the second time");
    am_log_drop(model->log, address);
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    getrlimit(RLIMIT_NOFILE, &files);
    none = files;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    int status = 0;
    for (int i = 0; i < 20 && status == 0; i++) {
        status = am_log_append(model->log, &head, large, &address);
        if (status == 0)
            am_log_drop(model->log, address);
    }
    EXPECT(model, status == AM_EFILES, "without file descriptors: status %d", status);
    model_check(model);
    setrlimit(RLIMIT_NOFILE, &files);
    EXPECT(model, am_log_append(model->log, &head, large, &address) == 0, "append with files again");
    am_log_drop(model->log, address);
    model_check(model);
    am_log_close(model->log);
    free(large);
    folder_remove(model);
    return model_free(model);
}

int main(void)
{
    const int failed = failing_writes() + full_disk() + full_limit() + kills();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
