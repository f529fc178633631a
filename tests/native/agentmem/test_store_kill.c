/* A broker that is killed at any instruction: the next one finds every invariant in order and everything that
 * was answered for. The store runs in a child; this process keeps its memory files, as the supervisor does.
 */
#include "store.h"

#include "blake3.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #what,                                   \
                    store ? am_store_error(store) : "");                                                     \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

enum { UNITS = 2000, KEPT = 20000 };

static struct am_store *store;
static struct am_kept_fd kept[KEPT];
static size_t kept_count;
static int line;          /* the child's end of the socket */
static uint8_t *answered; /* shared: 1: the unit was stored, 2: its disowning was asked */
static char folder[] = "/tmp/am_kill_XXXXXX";
static uint64_t random_state;

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static void say(const struct am_kept *what, int fd) {
    struct iovec part = {(void *)what, sizeof *what};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    CHECK(sendmsg(line, &message, 0) == (ssize_t)sizeof *what);
}

static void keep(void *context, const struct am_kept *what, int fd) {
    (void)context;
    say(what, fd);
}

static void let_go(void *context, const struct am_kept *what) {
    (void)context;
    say(what, -1);
}

/* The parent: one message; false at the end of the line. */
static bool hear(int fd_of_child) {
    struct am_kept what;
    struct iovec part = {&what, sizeof what};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    if (recvmsg(fd_of_child, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof what)
        return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    size_t i = 0;
    while (i < kept_count && memcmp(&kept[i].what, &what, sizeof what))
        i++;
    if (head) {
        int fd;
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
        if (i < kept_count)
            close(kept[i].fd);
        else
            kept_count++;
        CHECK(kept_count < KEPT);
        kept[i] = (struct am_kept_fd){what, fd};
    } else if (i < kept_count) {
        close(kept[i].fd);
        kept[i] = kept[--kept_count];
    }
    return true;
}

static size_t content(uint32_t i, uint8_t *bytes) {
    size_t length = i % 50 == 0 ? 90000 : 100 + i * 37 % 6000, at = 0;
    for (uint32_t word = i * 2654435761u; at + 32 <= length; at += 16) {
        snprintf((char *)bytes + at, 32, "u %05u %08x; ", i, word);
        word = at % 64 ? word * 1664525u + 1013904223u : word;
    }
    memset(bytes + at, 'x', length - at);
    return length;
}

static void ignore(void *context, int status, const struct am_placed *placed) {
    (void)placed;
    *(int *)context = status;
}

static am_id identity(struct am_realm *realm, struct am_agent *agent, uint32_t i, const uint8_t *bytes,
                      size_t length) {
    struct am_welcome keys;
    am_id id;
    am_agent_keys(realm, agent, &keys);
    am_unit_id(i % 2 ? keys.space_key : keys.realm_key, AM_TOOL_RESULT, AM_RAW, bytes, length, id.bytes);
    return id;
}

/* The life of one broker: take over, check, work until it is killed. */
static void live(uint32_t round) {
    static uint8_t bytes[100000];
    struct am_pool *pool;
    random_state = round * 0x9e3779b97f4a7c15ull + 1;
    CHECK(am_pool_create(round % 2 * 2, 256, &pool) == 0);
    struct am_store_options options = {.secret = {3},
                                       .hot_bytes = 300 << 10,
                                       .warm_bytes = 100 << 10,
                                       .cold_bytes = 1 << 30,
                                       .cold_folder = folder,
                                       .pool = pool,
                                       .keep = keep,
                                       .let_go = let_go,
                                       .kept = kept,
                                       .kept_count = kept_count};
    CHECK(am_store_open(&options, &store) == 0);
    CHECK(am_store_check(store, stderr) == 0);
    struct am_realm *realm;
    struct am_agent *agent;
    CHECK(am_realm_open(store, "r", 1, &realm) == 0);
    CHECK(am_agent_open(store, realm, "durable", 7, true, 50, 0, 0, &agent) == 0);
    for (uint32_t i = 0; i < UNITS; i++) {
        size_t length = content(i, bytes);
        am_id id = identity(realm, agent, i, bytes, length);
        int status = 1;
        am_heat(store, agent, &id, ignore, &status);
        while (status == 1)
            am_pool_finish(pool);
        CHECK(status == 0 ||
              (status == AM_ENOTFOUND && answered[i] != 1)); /* nothing that was answered is lost */
        if (i % 64 == 0)
            am_store_tick(store, 1);
    }
    for (uint32_t step = 0;; step++) {
        uint32_t i = draw(UNITS);
        size_t length = content(i, bytes);
        struct am_content made = {.id = identity(realm, agent, i, bytes, length),
                                  .length = length,
                                  .bytes = bytes,
                                  .fd = -1,
                                  .type = AM_TOOL_RESULT,
                                  .form = AM_RAW,
                                  .private_space = i % 2};
        struct am_placed placed;
        if (draw(4)) {
            int status = am_put(store, agent, &made, &placed);
            CHECK(status == 0 || status == AM_EBUSY || status == AM_ENOMEM);
            if (status == 0) {
                answered[i] = 1;
                CHECK(am_head_write(store, agent, "newest", 6, &made.id) == 0);
            }
        } else {
            answered[i] = 2; /* from here on both answers are right: the head may still keep it */
            am_store_disown(store, agent, &made.id);
        }
        am_pool_finish(pool);
        if (step % 16 == 0)
            am_store_tick(store, (int)draw(3));
    }
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 12;
    CHECK(mkdtemp(folder));
    answered = mmap(NULL, UNITS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(answered != MAP_FAILED);
    for (uint32_t round = 0; round < rounds; round++) {
        int ends[2];
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (!child) {
            close(ends[0]);
            line = ends[1];
            live(round);
        }
        close(ends[1]);
        random_state = round * 0x2545f4914f6cdd1dull + 99;
        struct timespec deadline;
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        uint64_t until =
            (uint64_t)deadline.tv_sec * 1000000 + (uint64_t)deadline.tv_nsec / 1000 + 200000 + draw(600000);
        struct timeval wait = {.tv_usec = 2000};
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        for (;;) {
            hear(ends[0]);
            clock_gettime(CLOCK_MONOTONIC, &deadline);
            if ((uint64_t)deadline.tv_sec * 1000000 + (uint64_t)deadline.tv_nsec / 1000 > until)
                break;
        }
        kill(child, SIGKILL);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFSIGNALED(status)) {
            fprintf(stderr, "round %u: the store ended by itself with %d\n", round, WEXITSTATUS(status));
            return 1;
        }
        while (hear(ends[0])) /* what it had said before it died */
            ;
        close(ends[0]);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}
