/* nexus_platform.h keeps its word. Runs under the sanitizers in `make test`. */
#include "nexus_platform.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#else
    CHECK(nx_die_with_parent(SIGKILL) == ENOTSUP);
#endif
    trimming_leaves_live_memory_alone();
    features_are_consistent();
    if (failures == 0)
        puts("platform: all held");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
