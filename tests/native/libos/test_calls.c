/* calls.h and channel.h keep their word: each operation does what nx_abi.h says, whatever pieces a channel
 * comes in. */
#include "calls.h"
#include "channel.h"
#include "check.h"
#include "nx_abi.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END (NX_BASE + (6u << 20))
#define BLOCK NX_BASE
#define IN (NX_BASE + NX_PAGE)
#define OUT (NX_BASE + (3u << 20))

static struct nx_memory memory;
static struct nx_service service;
static int output[2], input[2], channel[2], status;
static const char *why;

static void begin(void)
{
    struct nx_trouble trouble;
    CHECK(nx_memory_reserve(&memory, END, false, &trouble) == 0);
    CHECK(nx_memory_zeroed(&memory, NX_BASE, END, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(pipe(output) == 0 && pipe(input) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0);
    service = (struct nx_service){&memory, input[0], output[1], output[1], channel[0]};
    signal(SIGPIPE, SIG_IGN);
}

static void *host(uint64_t guest)
{
    return (void *)(memory.host + guest);
}

static enum nx_next ring(struct nx_call call)
{
    memcpy(host(BLOCK), &call, sizeof call);
    status = -1;
    why = NULL;
    return nx_answer(&service, BLOCK, &status, &why);
}

static int64_t result(void)
{
    struct nx_call call;
    memcpy(&call, host(BLOCK), sizeof call);
    return call.result;
}

static uint64_t out_len(void)
{
    struct nx_call call;
    memcpy(&call, host(BLOCK), sizeof call);
    return call.out_len;
}

static int64_t asked(uint32_t op, uint64_t arg, uint64_t in_len, uint64_t out_cap)
{
    CHECK(ring((struct nx_call){
              .op = op, .arg = arg, .in = IN, .in_len = in_len, .out = OUT, .out_cap = out_cap})
          == NX_GO_ON);
    return result();
}

static void streams(void)
{
    char bytes[16];
    memcpy(host(IN), "to output", 9);
    CHECK(asked(NX_OP_WRITE, 1, 9, 0) == 9 && read(output[0], bytes, 16) == 9
          && memcmp(bytes, "to output", 9) == 0);
    CHECK(asked(NX_OP_WRITE, 2, 2, 0) == 2 && read(output[0], bytes, 16) == 2);
    CHECK(asked(NX_OP_WRITE, 1, 0, 0) == 0 && asked(NX_OP_WRITE, 0, 1, 0) == -NX_EINVAL);
    CHECK(asked(NX_OP_WRITE, 3, 1, 0) == -NX_EINVAL
          && asked(NX_OP_WRITE, 1 | UINT64_C(1) << 32, 1, 0) == -NX_EINVAL);
    CHECK(write(input[1], "abc", 3) == 3 && asked(NX_OP_READ, 0, 0, 2) == 2 && out_len() == 2);
    CHECK(asked(NX_OP_READ, 0, 0, 100) == 1 && memcmp(host(OUT), "cb", 2) == 0);
    CHECK(asked(NX_OP_READ, 0, 0, 0) == 0 && asked(NX_OP_READ, 1, 0, 4) == -NX_EINVAL);
    close(input[1]);
    CHECK(asked(NX_OP_READ, 0, 0, 100) == 0 && out_len() == 0);
    close(input[0]);
    CHECK(asked(NX_OP_READ, 0, 0, 100) == -NX_EIO);
}

static void clocks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t difference = asked(NX_OP_TIME, 0, 0, 0) - (now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
    CHECK(difference >= 0 && difference < INT64_C(60000000000));
    int64_t from = asked(NX_OP_TIME, 1, 0, 0);
    CHECK(asked(NX_OP_SLEEP, 30000000, 0, 0) == 0);
    CHECK(asked(NX_OP_TIME, 1, 0, 0) - from >= 30000000);
    CHECK(asked(NX_OP_TIME, 2, 0, 0) == -NX_EINVAL
          && asked(NX_OP_TIME, UINT64_C(1) << 32, 0, 0) == -NX_EINVAL);
}

static void random_numbers(void)
{
    memset(host(OUT), 0, NX_PAYLOAD_MAX + 8);
    CHECK(asked(NX_OP_RANDOM, 0, 0, NX_PAYLOAD_MAX) == NX_PAYLOAD_MAX && out_len() == NX_PAYLOAD_MAX);
    const uint8_t *bytes = host(OUT);
    unsigned seen = 0;
    for (size_t i = 0; i < NX_PAYLOAD_MAX; i++)
        seen += bytes[i] != 0;
    CHECK(seen > NX_PAYLOAD_MAX / 100 * 98 && memcmp(bytes + NX_PAYLOAD_MAX, "\0\0\0\0\0\0\0", 8) == 0);
}

static void refused(void)
{
    const uint64_t far = UINT64_C(1) << 40;
    CHECK(asked(NX_OP_WRITE, 1, NX_PAYLOAD_MAX + 1, 0) == -NX_E2BIG
          && asked(NX_OP_RANDOM, 0, 0, far) == -NX_E2BIG);
    CHECK(asked(NX_OP_FAULT, 0, 0, 0) == -NX_ENOSYS && asked(UINT32_MAX, 0, 0, 0) == -NX_ENOSYS);
    CHECK(ring((struct nx_call){.op = NX_OP_WRITE, .arg = 1, .in = END - 4, .in_len = 5}) == NX_GO_ON);
    CHECK(result() == -NX_EFAULT);
    CHECK(ring((struct nx_call){.op = NX_OP_RANDOM, .out = 0, .out_cap = 5}) == NX_GO_ON
          && result() == -NX_EFAULT);
    CHECK(ring((struct nx_call){.op = NX_OP_TIME, .reserved = 1}) == NX_GO_ON && result() == -NX_EINVAL);
    static const uint64_t nowhere[] = {0,          NX_BASE - 8,     END - 63,   END,
                                       UINT64_MAX, UINT64_MAX - 63, NX_DOORBELL};
    for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        CHECK(nx_answer(&service, nowhere[i], &status, &why) == NX_BAD_BLOCK);
    CHECK(nx_answer(&service, END - sizeof(struct nx_call), &status, &why) != NX_BAD_BLOCK);
}

static void exits(void)
{
    static const uint64_t given[] = {0, 7, 255, 256, UINT64_MAX};
    static const int ends[] = {0, 7, 255, 255, 255};
    for (unsigned i = 0; i < 5; i++)
        CHECK(ring((struct nx_call){.op = NX_OP_EXIT, .arg = given[i]}) == NX_EXITED && status == ends[i]);
}

/* A child answers one request: with `reply`, then `bytes` of ascending values, in pieces of `piece`. */
static pid_t peer(struct nx_reply reply, size_t bytes, size_t piece)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct nx_request request;
    static uint8_t all[sizeof reply + NX_PAYLOAD_MAX], in[NX_PAYLOAD_MAX];
    if (recv(channel[1], &request, sizeof request, MSG_WAITALL) != sizeof request
        || request.magic != NX_FRAME_MAGIC
        || (request.in_len && recv(channel[1], in, request.in_len, MSG_WAITALL) != (ssize_t)request.in_len))
        _exit(1);
    for (uint32_t i = 0; i < request.in_len; i++)
        if (in[i] != (uint8_t)(i * 5))
            _exit(2);
    memcpy(all, &reply, sizeof reply);
    for (size_t i = 0; i < bytes; i++)
        all[sizeof reply + i] = (uint8_t)i;
    for (size_t at = 0; at < sizeof reply + bytes; at += piece) {
        size_t left = sizeof reply + bytes - at;
        if (write(channel[1], all + at, left < piece ? left : piece) < 0)
            _exit(3);
    }
    _exit(0);
}

static enum nx_next forwarded(struct nx_reply reply, size_t bytes, size_t piece, uint64_t in_len,
                              uint64_t out_cap)
{
    pid_t child = peer(reply, bytes, piece);
    for (uint64_t i = 0; i < in_len; i++)
        ((uint8_t *)host(IN))[i] = (uint8_t)(i * 5);
    memset(host(OUT), 0xee, NX_PAYLOAD_MAX + 1);
    enum nx_next next = ring((struct nx_call){
        .op = NX_OP_CALL, .arg = 9, .in = IN, .in_len = in_len, .out = OUT, .out_cap = out_cap});
    int left;
    waitpid(child, &left, 0);
    CHECK(WIFEXITED(left) && WEXITSTATUS(left) == 0);
    return next;
}

/* `bytes` ascending values at OUT, and nothing behind them. */
static int arrived(size_t bytes)
{
    const uint8_t *out = host(OUT);
    for (size_t i = 0; i < bytes; i++)
        if (out[i] != (uint8_t)i)
            return 0;
    return out[bytes] == 0xee;
}

static void channels(void)
{
    static const size_t sizes[] = {0, 1, 4096, NX_PAYLOAD_MAX};
    for (unsigned i = 0; i < 4; i++) {
        const struct nx_reply reply = {.result = (int64_t)i - 2, .out_len = (uint32_t)sizes[i]};
        CHECK(forwarded(reply, sizes[i], 1 << 20, sizes[3 - i], sizes[i]) == NX_GO_ON);
        CHECK(result() == (int64_t)i - 2 && out_len() == sizes[i] && arrived(sizes[i]));
    }
    CHECK(forwarded((struct nx_reply){.result = 3, .out_len = 50}, 50, 3, 3000, 60) == NX_GO_ON
          && arrived(50));
    /* Larger than there is room for: told, and nothing written. */
    CHECK(forwarded((struct nx_reply){.result = -NX_EMSGSIZE, .out_len = 5000}, 0, 16, 1, 100) == NX_GO_ON);
    CHECK(result() == -NX_EMSGSIZE && out_len() == 5000 && arrived(0));
    CHECK(forwarded((struct nx_reply){.result = 1, .out_len = 101}, 0, 16, 1, 100) == NX_BROKEN);
    CHECK(strstr(why, "larger") && arrived(0));
}

/* Ends that close in the middle of a reply, before it, and before the request. */
static void closed(void)
{
    for (int when = 0; when < 3; when++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0);
        service.channel = channel[0];
        struct nx_reply reply = {.result = 1, .out_len = 10};
        if (when == 0)
            CHECK(write(channel[1], &reply, sizeof reply) == sizeof reply
                  && write(channel[1], "12345", 5) == 5);
        if (when == 1)
            CHECK(write(channel[1], &reply, 7) == 7);
        if (when < 2)
            shutdown(channel[1], SHUT_WR);
        else
            close(channel[1]);
        CHECK(ring((struct nx_call){.op = NX_OP_FETCH, .out = OUT, .out_cap = 10}) == NX_BROKEN
              && strstr(why, "closed"));
        if (when < 2)
            close(channel[1]);
        close(channel[0]);
    }
}

static void on_alarm(int number)
{
    (void)number;
}

/* Interrupted calls and a descriptor that does not wait: output arrives whole. */
static void interrupted(void)
{
    const struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    fcntl(output[1], F_SETFL, O_NONBLOCK);
    pid_t child = fork();
    if (child == 0) {
        static char bytes[65536];
        size_t all = 0;
        ssize_t n;
        close(output[1]);
        while ((n = read(output[0], bytes, sizeof bytes)) > 0) {
            all += (size_t)n;
            usleep(500);
        }
        _exit(all == 3 * NX_PAYLOAD_MAX ? 0 : 1);
    }
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(asked(NX_OP_WRITE, 1, NX_PAYLOAD_MAX, 0) == NX_PAYLOAD_MAX);
    int64_t from = asked(NX_OP_TIME, 1, 0, 0);
    CHECK(asked(NX_OP_SLEEP, 50000000, 0, 0) == 0 && asked(NX_OP_TIME, 1, 0, 0) - from >= 50000000);
    setitimer(ITIMER_REAL, &never, NULL);
    close(output[1]);
    int left;
    waitpid(child, &left, 0);
    CHECK(WIFEXITED(left) && WEXITSTATUS(left) == 0);
    CHECK(asked(NX_OP_WRITE, 1, 5, 0) == -NX_EIO);
}

int main(void)
{
    begin();
    streams();
    clocks();
    random_numbers();
    refused();
    exits();
    channels();
    closed();
    interrupted();
    return failures > 0;
}
