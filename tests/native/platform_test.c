/* nexus_platform.h keeps its word. Runs under the sanitizers in `make test`. */
#define _GNU_SOURCE
#include "nexus_platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

/* A process starts a child that asks to die with it, then ends. The child holds the only write end
 * of a pipe, so the pipe closes when, and only when, the child is gone too. */
static void child_dies_with_its_parent(void)
{
    int alive[2], ready[2];
    char byte;
    CHECK(pipe(alive) == 0 && pipe(ready) == 0);
    pid_t parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            close(alive[0]);
            int result = nx_die_with_parent(SIGKILL);
            CHECK(write(ready[1], result == 0 ? "y" : "n", 1) == 1);
            for (;;)
                pause();
        }
        CHECK(read(ready[0], &byte, 1) == 1);
        _exit(byte == 'y' ? 0 : 1);
    }
    int status = -1;
    close(alive[1]);
    CHECK(waitpid(parent, &status, 0) == parent);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(read(alive[0], &byte, 1) == 0);
    close(alive[0]);
    close(ready[0]);
    close(ready[1]);
}

static void unknown_signal_is_refused_and_errno_kept(void)
{
    errno = EPIPE;
    CHECK(nx_die_with_parent(4711) == EINVAL);
    CHECK(nx_die_with_parent(-1) == EINVAL);
    CHECK(errno == EPIPE);
    CHECK(nx_die_with_parent(0) == 0);
}

static void trimming_leaves_live_memory_alone(void)
{
    enum { COUNT = 20000, SIZE = 512 };
    char **blocks = calloc(COUNT, sizeof *blocks);
    CHECK(blocks != NULL);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i & 0x7f, SIZE);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 1000 != 0) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
    }
    errno = EPIPE;
    bool released = nx_trim_heap();
    CHECK(errno == EPIPE);
    CHECK(nx_can_trim_heap() || !released);
    for (int i = 0; i < COUNT; i += 1000) {
        CHECK(blocks[i][0] == (i & 0x7f) && blocks[i][SIZE - 1] == (i & 0x7f));
        free(blocks[i]);
    }
    free(blocks);
}

#ifdef __linux__
enum { TABLE = 1 << 20 };
static const volatile unsigned char constants[TABLE] = {[0] = 1, [TABLE / 2] = 2, [TABLE - 1] = 3};
static int written = 4;

static size_t read_all_constants(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < TABLE; i++)
        sum += constants[i];
    return sum;
}

static void released_code_and_constants_come_back(void)
{
    size_t first = 0, second = 0;
    written = 5;
    CHECK(read_all_constants() == 6);
    errno = EPIPE;
    CHECK(nx_release_libraries(&first) == 0);
    CHECK(errno == EPIPE);
    CHECK(first > TABLE / 2);
    /* What is not read again is not held again. */
    CHECK(nx_release_libraries(&second) == 0);
    CHECK(second < first);
    CHECK(read_all_constants() == 6);
    CHECK(written == 5);
    CHECK(nx_release_libraries(&second) == 0);
    CHECK(second > TABLE / 2);
}

/* As a debugger does that sets a breakpoint. */
static void a_page_that_was_written_to_is_kept(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), released;
    uintptr_t at = ((uintptr_t)constants + TABLE / 4) / page * page;
    volatile unsigned char *patched = (volatile unsigned char *)at;
    CHECK(mprotect((void *)at, page, PROT_READ | PROT_WRITE) == 0);
    patched[1] = 9;
    CHECK(mprotect((void *)at, page, PROT_READ) == 0);
    CHECK(nx_release_libraries(&released) == 0);
    CHECK(patched[1] == 9);
    CHECK(read_all_constants() == 6 + 9);
}

static const size_t file_size = 1 << 20;

/* A file of 1 MB, mapped; `flags` as of mmap(). */
static unsigned char *map_file(const char *path, int flags)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && ftruncate(file, (off_t)file_size) == 0);
    unsigned char *mapped = mmap(NULL, file_size, PROT_READ | PROT_WRITE, flags, file, 0);
    CHECK(mapped != MAP_FAILED);
    close(file);
    return mapped;
}

static void shared_files_of_one_folder_are_released_with_their_changes(void)
{
    char folder[] = "/tmp/nexus-platform-XXXXXX", inside[64], beside[64], deep[4096];
    size_t released, again;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(inside, sizeof inside, "%s/file", folder);
    snprintf(beside, sizeof beside, "%s-beside", folder);
    unsigned char *shared = map_file(inside, MAP_SHARED);
    unsigned char *private = map_file(inside, MAP_PRIVATE);
    unsigned char *foreign = map_file(beside, MAP_SHARED);
    memset(shared, 1, file_size);
    memset(foreign, 3, file_size);
    memset(private, 2, file_size);
    errno = EPIPE;
    CHECK(nx_release_files(folder, "", &released) == 0);
    CHECK(errno == EPIPE);
    CHECK(released == file_size);
    CHECK(nx_release_files(folder, "", &again) == 0);
    CHECK(again == 0);
    for (size_t i = 0; i < file_size; i++)
        CHECK(shared[i] == 1 && private[i] == 2 && foreign[i] == 3);
    shared[7] = 9;
    CHECK(nx_release_files(folder, "", &again) == 0);
    CHECK(again > 0);
    CHECK(shared[7] == 9);
    CHECK(nx_release_files(folder, "fil", &again) == 0);
    CHECK(again == 0);
    CHECK(nx_release_files("/tmp", "file", &again) == 0);
    CHECK(again >= file_size);
    CHECK(foreign[7] == 3);
    memset(deep, 'x', sizeof deep);
    deep[0] = '/';
    deep[sizeof deep - 1] = '\0';
    CHECK(nx_release_files(deep, "", &again) == 0);
    CHECK(again == 0);
    munmap(shared, file_size);
    munmap(private, file_size);
    munmap(foreign, file_size);
    unlink(inside);
    unlink(beside);
    rmdir(folder);
}

static void without_descriptors_nothing_is_released(void)
{
    struct rlimit kept, none;
    size_t released = 1;
    CHECK(getrlimit(RLIMIT_NOFILE, &kept) == 0);
    none = (struct rlimit){0, kept.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    int failed = nx_release_libraries(&released);
    int files_failed = nx_release_files("/tmp", "", &released);
    CHECK(setrlimit(RLIMIT_NOFILE, &kept) == 0);
    CHECK(failed == EMFILE && files_failed == EMFILE);
    CHECK(released == 0);
}
#endif

static void *allocate(void *blocks)
{
    for (int i = 0; i < 100; i++)
        ((void **)blocks)[i] = malloc(1000);
    return NULL;
}

static void a_limit_of_heaps_is_taken_or_refused(void)
{
    errno = EPIPE;
    CHECK(!nx_limit_heaps(0));
    CHECK(!nx_limit_heaps(-1));
    /* The sanitizers' own allocator has no heaps to limit, and says so. */
    bool taken = nx_limit_heaps(1);
    CHECK(nx_can_trim_heap() || !taken);
    CHECK(errno == EPIPE);
    void *blocks[4][100];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate, blocks[i]) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        for (int j = 0; j < 100; j++) {
            CHECK(blocks[i][j] != NULL);
            free(blocks[i][j]);
        }
    }
}

static void features_are_consistent(void)
{
    struct nx_cpu_features features, again;
    memset(&features, 0xff, sizeof features);
    nx_cpu_features(&features);
    memset(&again, 0, sizeof again);
    nx_cpu_features(&again);
    CHECK(memcmp(&features, &again, sizeof features) == 0);
    CHECK(!features.avx512vnni || features.avx512f);
    CHECK(!features.avx512f || features.avx2);
    CHECK(!features.avx2 || features.sse4_2);
    CHECK(!(features.neon && features.sse4_2));
}

int main(void)
{
#ifdef __linux__
    child_dies_with_its_parent();
    unknown_signal_is_refused_and_errno_kept();
    released_code_and_constants_come_back();
    a_page_that_was_written_to_is_kept();
    shared_files_of_one_folder_are_released_with_their_changes();
    without_descriptors_nothing_is_released();
#else
    size_t released = 1;
    CHECK(nx_die_with_parent(SIGKILL) == ENOTSUP);
    CHECK(nx_release_libraries(&released) == ENOTSUP && released == 0);
    CHECK(nx_release_files("/tmp", "", &released) == ENOTSUP);
#endif
    trimming_leaves_live_memory_alone();
    a_limit_of_heaps_is_taken_or_refused();
    features_are_consistent();
    if (failures == 0)
        puts("platform: all held");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
