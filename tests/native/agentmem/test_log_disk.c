/* The log on disk: random operations against a model, readers beside the writer, reads without the ring. */
#include "log_folder.h"
#include "log_readers.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { LIMIT = 7 << 20 };

static void reopen(struct model *model)
{
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    const int status = am_log_open_disk(model->folder, LIMIT, model->uring, &model->log);
    EXPECT(model, status == 0, "open: status %d", status);
}

static uint64_t bytes_of(struct model *model)
{
    struct am_log_stats stats;
    am_log_stats(model->log, &stats);
    return stats.bytes;
}

static int random_operations(uint64_t seed, int steps, bool uring)
{
    struct model *model = model_new(seed, 4u << 20);
    model->uring = uring;
    folder_make(model);
    if (am_log_open_disk(model->folder, LIMIT, uring, &model->log) != 0)
        return 1;
    for (int step = 0; step < steps; step++) {
        model_step(model, reopen);
        EXPECT(model, bytes_of(model) <= LIMIT && folder_bytes(model) <= LIMIT, "%llu bytes, the limit is %d",
               (unsigned long long)folder_bytes(model), LIMIT);
    }
    model_check(model);
    printf("%llu bytes, %llu moves, %llu deaths, %llu refused for want of room\n",
           (unsigned long long)model->appended, (unsigned long long)model->moves,
           (unsigned long long)model->deaths, (unsigned long long)model->refused);
    EXPECT(model, model->moves > 0 && model->deaths > 0 && model->refused > 0, "nothing was tried");
    am_log_close(model->log);
    folder_remove(model);
    return model_free(model);
}

/* Everything that is alive, in one call, with addresses among them that lead nowhere. */
static void read_all_at_once(struct model *model)
{
    static struct am_log_want wants[THINGS];
    static uint8_t payloads[THINGS][70000];
    for (size_t i = 0; i < THINGS; i++)
        wants[i] = (struct am_log_want){.address = model->things[i].alive ? model->things[i].address : i + 1,
                                        .payload = payloads[i], .room = sizeof payloads[i]};
    wants[3].room = 0;
    am_log_read_many(model->log, wants, THINGS);
    for (size_t i = 0; i < THINGS; i++)
        if (!model->things[i].alive)
            EXPECT(model, wants[i].status == AM_ENOTFOUND, "thing %zu: status %d", i, wants[i].status);
        else if (i == 3)
            EXPECT(model, wants[i].status == AM_ESIZE, "too little room: status %d", wants[i].status);
        else
            EXPECT(model, wants[i].status == 0 && as_written(model, i, &wants[i].head, payloads[i]),
                   "thing %zu: status %d", i, wants[i].status);
}

static void refuse(unsigned call)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("no seccomp here: errno %d\n", errno);
        exit(EXIT_FAILURE);
    }
}

/* With the ring, and with a system that refuses it from the start or from the middle on: the same bytes. */
static int many_reads(unsigned refused, bool after_open)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        struct model *model = model_new(21, 70000);
        folder_make(model);
        if (refused != 0 && !after_open)
            refuse(refused);
        const int status = am_log_open_disk(model->folder, 0, true, &model->log);
        EXPECT(model, status == 0, "open: status %d", status);
        if (status != 0)
            exit(EXIT_FAILURE);
        for (size_t i = 0; i < THINGS - 40; i++)
            model_append(model, i);
        if (refused != 0 && after_open)
            refuse(refused);
        read_all_at_once(model); /* some still in the stage */
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        read_all_at_once(model);
        am_log_close(model->log);
        folder_remove(model);
        exit(model_free(model) != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return status != 0;
}

static int readers(void)
{
    struct model *model = model_new(1, 1);
    struct am_log *log;
    folder_make(model);
    int failed = am_log_open_disk(model->folder, 0, true, &log) != 0 || readers_beside(log, 8000);
    folder_remove(model);
    return failed + model_free(model);
}

/* One process has a log, and what is not a log's is let be. */
static int one_owner(void)
{
    struct model *model = model_new(2, 5000);
    struct am_log *second;
    folder_make(model);
    EXPECT(model, am_log_open_disk(model->folder, 0, false, &model->log) == 0, "open");
    EXPECT(model, am_log_open_disk(model->folder, 0, false, &second) == AM_EBUSY, "opened twice");
    for (size_t i = 0; i < 20; i++)
        model_append(model, i);
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    folder_put(model, "notes.txt", "mine", 4);
    folder_put(model, "00000001-log", "mine", 4);
    folder_put(model, "1-1.log", "mine", 4);
    EXPECT(model, am_log_open_disk(model->folder, 0, false, &model->log) == 0, "open again");
    model_replay(model);
    model_check(model);
    for (size_t i = 0; i < 20; i++)
        if (model->things[i].alive)
            model_drop(model, i, false);
    while (am_log_compact(model->log, UINT64_MAX, model_moved, model) > 0)
        continue;
    am_log_close(model->log);
    EXPECT(model, folder_bytes(model) == 12, "strangers' files were touched");
    EXPECT(model, am_log_open_disk("/proc/nowhere", 0, false, &second) == AM_EDISK, "a folder in /proc");
    folder_remove(model);
    return model_free(model);
}

int main(void)
{
    int failed = random_operations(1, 2500, true) + random_operations(2, 2500, false);
    failed += many_reads(0, false);
    failed += many_reads(__NR_io_uring_setup, false) + many_reads(__NR_io_uring_enter, true);
    failed += readers() + one_owner();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
