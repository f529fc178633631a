/* A tender without a guest: speaks the protocol of tenders and does what a script says, right or wrong.
 *
 * fake-tender [--all] SCRIPT|- [WORD...]
 *
 * Each line of SCRIPT is one command; with "-", scripts are fetched (NX_OP_FETCH). With --all, output, input and
 * exit are frames as well, as under QEMU. Commands that a healthy tender never gives are what it is for. */
#define _GNU_SOURCE
#include "nx_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int all;
static char state[256] = "nothing";
static char payload[NX_PAYLOAD_MAX + 1];
static char **words;

static void put(int fd, const void *bytes, size_t size)
{
    for (const char *from = bytes; size > 0;) {
        ssize_t n = write(fd, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(99);
        from += n;
        size -= (size_t)n;
    }
}

static void take(void *to, size_t size)
{
    for (char *at = to; size > 0;) {
        ssize_t n = read(3, at, size);
        if (n <= 0)
            _exit(98);
        at += n;
        size -= (size_t)n;
    }
}

static void ask(uint32_t op, uint64_t arg, const void *in, size_t in_len, uint32_t out_cap)
{
    struct nx_request request = {NX_FRAME_MAGIC, op, arg, (uint32_t)in_len, out_cap};
    put(3, &request, sizeof request);
    put(3, in, in_len);
}

/* The answer's bytes are in `payload`, with a NUL behind. */
static struct nx_reply answered(void)
{
    struct nx_reply reply;
    take(&reply, sizeof reply);
    size_t size = reply.result == -NX_EMSGSIZE ? 0 : reply.out_len;
    if (size > NX_PAYLOAD_MAX)
        _exit(97);
    take(payload, size);
    payload[size] = 0;
    return reply;
}

static void print(int fd, const char *text, size_t size)
{
    if (!all) {
        put(fd, text, size);
        return;
    }
    for (size_t at = 0; at < size;) {
        size_t piece = size - at > 65536 ? 65536 : size - at;
        ask(NX_OP_WRITE, (uint64_t)fd, text + at, piece, 0);
        if (answered().result != (int64_t)piece)
            _exit(96);
        at += piece;
    }
}

static void end(int status)
{
    if (!all)
        _exit(status);
    ask(NX_OP_EXIT, (uint64_t)status, "", 0, 0);
    for (;;)
        pause();
}

static void echo_input(void)
{
    static char buffer[65536];
    for (;;) {
        ssize_t n;
        if (all) {
            ask(NX_OP_READ, 0, "", 0, sizeof buffer);
            n = (ssize_t)answered().result;
            memcpy(buffer, payload, (size_t)n);
        } else {
            n = read(0, buffer, sizeof buffer);
        }
        if (n <= 0)
            return;
        print(1, buffer, (size_t)n);
    }
}

static void flood(int fd, size_t size)
{
    static char many[65536];
    memset(many, 'x', sizeof many);
    while (size > 0) {
        size_t piece = size < sizeof many ? size : sizeof many;
        print(fd, many, piece);
        size -= piece;
    }
}

static void raw(const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};
        unsigned char byte = (unsigned char)strtoul(digits, NULL, 16);
        put(3, &byte, 1);
    }
}

static void pause_for(uint64_t ms)
{
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* "OP ARG CAP TEXT": prints the result and what came. */
static void call(char *rest)
{
    static char came[NX_PAYLOAD_MAX];
    char line[128];
    uint32_t op = (uint32_t)strtoul(rest, &rest, 0);
    uint64_t arg = strtoull(rest, &rest, 0);
    uint32_t cap = (uint32_t)strtoul(rest, &rest, 0);
    rest += *rest == ' ';
    ask(op, arg, rest, strlen(rest), cap);
    struct nx_reply reply = answered();
    size_t size = reply.result == -NX_EMSGSIZE ? 0 : reply.out_len;
    memcpy(came, payload, size); /* where output is frames, their answers overwrite it */
    print(1, line, (size_t)snprintf(line, sizeof line, "%lld %u ", (long long)reply.result, reply.out_len));
    print(1, came, size);
    print(1, "\n", 1);
}

static void fault(char *rest)
{
    struct nx_fault fault = {.kind = (uint32_t)strtoul(rest, &rest, 0)};
    fault.ip = strtoull(rest, &rest, 0);
    fault.address = strtoull(rest, &rest, 0);
    ask(NX_OP_FAULT, 0, &fault, sizeof fault, 0);
    _exit(139);
}

static void descriptors(void)
{
    char line[16];
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            print(1, line, (size_t)snprintf(line, sizeof line, "%d ", fd));
}

/* Gives the status of a fetched script. */
static int obey(char *script)
{
    int status = 0;
    char folder[512] = "";
    for (char *line = strtok(script, "\n"); line; line = strtok(NULL, "\n")) {
        char *rest = strchr(line, ' ');
        rest = rest ? (*rest = 0, rest + 1) : line + strlen(line);
        if (!strcmp(line, "out") || !strcmp(line, "err")) {
            print(line[0] == 'o' ? 1 : 2, rest, strlen(rest));
            print(line[0] == 'o' ? 1 : 2, "\n", 1);
        } else if (!strcmp(line, "exit"))
            end(atoi(rest));
        else if (!strcmp(line, "status"))
            status = atoi(rest);
        else if (!strcmp(line, "die"))
            _exit(atoi(rest));
        else if (!strcmp(line, "signal"))
            raise(atoi(rest));
        else if (!strcmp(line, "spin"))
            for (volatile int i = 0;; i = i + 1)
                ;
        else if (!strcmp(line, "sleep"))
            pause_for(strtoull(rest, NULL, 0));
        else if (!strcmp(line, "echo"))
            echo_input();
        else if (!strcmp(line, "flood"))
            flood(1, strtoull(rest, NULL, 0));
        else if (!strcmp(line, "send"))
            raw(rest);
        else if (!strcmp(line, "call"))
            call(rest);
        else if (!strcmp(line, "ask")) /* and not wait */
            ask((uint32_t)strtoul(rest, NULL, 0), 0, "", 0, 0);
        else if (!strcmp(line, "fault"))
            fault(rest);
        else if (!strcmp(line, "close"))
            close(atoi(rest));
        else if (!strcmp(line, "set"))
            snprintf(state, sizeof state, "%s", rest);
        else if (!strcmp(line, "get"))
            print(1, state, strlen(state));
        else if (!strcmp(line, "descriptors"))
            descriptors();
        else if (!strcmp(line, "words"))
            for (char **word = words; *word; word++)
                print(1, *word, strlen(*word)), print(1, "\n", 1);
        else if (!strcmp(line, "print(end='')")) /* what a pool warms its guests with */
            continue;
        else if (!strcmp(line, "where"))
            print(1, getcwd(folder, sizeof folder), 1);
        else
            _exit(95);
    }
    return status;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    all = argc > 1 && !strcmp(argv[1], "--all");
    argv += all;
    argc -= all;
    if (argc < 2)
        return 2;
    words = argv + 2;
    static char script[NX_PAYLOAD_MAX + 1];
    if (strcmp(argv[1], "-")) {
        FILE *file = fopen(argv[1], "r");
        if (!file) {
            fprintf(stderr, "nexus-tender-fake: %s: %s\n", argv[1], strerror(errno));
            return 125;
        }
        script[fread(script, 1, NX_PAYLOAD_MAX, file)] = 0;
        fclose(file);
        obey(script);
        end(0);
    }
    for (int status = 0;;) {
        ask(NX_OP_FETCH, (uint64_t)status, "", 0, NX_PAYLOAD_MAX);
        if (answered().result < 0)
            end(status);
        strcpy(script, payload);
        status = obey(script);
    }
}
