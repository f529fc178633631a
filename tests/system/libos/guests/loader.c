/* Runs an image in its own process and answers by calls (NX_RING_CALL): for tests of the guest's side of the
 * ABI, not a sandbox. EXIT, WRITE, READ, TIME, RANDOM and SLEEP are answered here, every other op goes as a
 * frame over the channel. loader [--memory BYTES] [--channel FD] [--module NAME=FILE]... IMAGE [WORD...] */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nx_abi.h"

static int channel = 3;

static void whole(int fd, void *bytes, size_t size, int out)
{
    for (char *at = bytes; size;) {
        ssize_t done = out ? write(fd, at, size) : read(fd, at, size);
        if (done <= 0)
            errx(125, "the channel broke");
        at += done;
        size -= (size_t)done;
    }
}

static void forward(struct nx_call *call)
{
    struct nx_request request = {NX_FRAME_MAGIC, call->op, call->arg, (uint32_t)call->in_len,
                                 (uint32_t)call->out_cap};
    struct nx_reply reply;
    whole(channel, &request, sizeof request, 1);
    whole(channel, (void *)call->in, call->in_len, 1);
    whole(channel, &reply, sizeof reply, 0);
    call->result = reply.result;
    call->out_len = reply.out_len;
    if (reply.result != -NX_EMSGSIZE)
        whole(channel, (void *)call->out, reply.out_len, 0);
}

static void answer(struct nx_call *call)
{
    struct timespec now;
    if (call->in_len > NX_PAYLOAD_MAX || call->out_cap > NX_PAYLOAD_MAX)
        errx(125, "op %u: more than a call may carry", call->op);
    call->out_len = 0;
    switch (call->op) {
    case NX_OP_EXIT:
        _exit((int)call->arg);
    case NX_OP_WRITE:
        whole((int)call->arg, (void *)call->in, call->in_len, 1);
        call->result = (int64_t)call->in_len;
        return;
    case NX_OP_READ:
        call->result = read(0, (void *)call->out, call->out_cap);
        call->out_len = (uint64_t)call->result;
        return;
    case NX_OP_TIME:
        clock_gettime(call->arg ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
        call->result = now.tv_sec * 1000000000 + now.tv_nsec;
        return;
    case NX_OP_RANDOM:
        call->result = getrandom((void *)call->out, call->out_cap, 0);
        call->out_len = (uint64_t)call->result;
        return;
    case NX_OP_SLEEP:
        now = (struct timespec){(time_t)(call->arg / 1000000000), (long)(call->arg % 1000000000)};
        nanosleep(&now, NULL);
        call->result = 0;
        return;
    default:
        forward(call);
    }
}

static char *map(const char *path, size_t *size)
{
    struct stat stat;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &stat))
        err(125, "%s", path);
    *size = (size_t)stat.st_size;
    char *bytes = malloc(*size + 1);
    whole(fd, bytes, *size, 0);
    close(fd);
    return bytes;
}

static uint64_t page(uint64_t address)
{
    return (address + 4095) & ~4095ull;
}

int main(int argc, char **argv)
{
    uint64_t end = NX_BASE + (32u << 20);
    const char *names[16], *files[16];
    unsigned count = 0;
    int at = 1;
    for (; at + 1 < argc && !strncmp(argv[at], "--", 2); at += 2) {
        if (!strcmp(argv[at], "--memory")) {
            end = NX_BASE + strtoull(argv[at + 1], NULL, 10);
        } else if (!strcmp(argv[at], "--channel")) {
            channel = atoi(argv[at + 1]);
        } else {
            char *file = strchr(argv[at + 1], '=');
            *file = 0;
            names[count] = argv[at + 1];
            files[count++] = file + 1;
        }
    }
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
    if (mmap((void *)(uintptr_t)NX_BASE, end - NX_BASE, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
        err(125, "guest memory");

    size_t size;
    char *image = map(argv[at], &size);
    const Elf64_Ehdr *elf = (void *)image;
    const Elf64_Phdr *part = (void *)(image + elf->e_phoff);
    uint64_t next = 0;
    for (int i = 0; i < elf->e_phnum; i++)
        if (part[i].p_type == PT_LOAD) {
            memcpy((void *)part[i].p_vaddr, image + part[i].p_offset, part[i].p_filesz);
            next = page(part[i].p_vaddr + part[i].p_memsz);
        }
    for (int i = 0; i < elf->e_phnum; i++)
        if (part[i].p_type == PT_LOAD && !(part[i].p_flags & PF_W))
            mprotect((void *)part[i].p_vaddr, page(part[i].p_memsz),
                     part[i].p_flags & PF_X ? PROT_READ | PROT_EXEC : PROT_READ);

    struct nx_boot *boot = (void *)next;
    char *line = (char *)next + 1024, *text = line + 1024;
    struct nx_module *modules = (void *)(boot + 1);
    *boot = (struct nx_boot){NX_BOOT_MAGIC, NX_ABI_VERSION, NX_RING_CALL, count, (uintptr_t)answer,
                             (uintptr_t)modules, (uintptr_t)line, 0, end};
    for (int i = at + 1; i < argc; i++)
        strcat(strcat(line, i > at + 1 ? " " : ""), argv[i]);
    next += 4096;
    for (unsigned i = 0; i < count; i++) {
        char *bytes = map(files[i], &size);
        memcpy((void *)next, bytes, size);
        modules[i] = (struct nx_module){(uintptr_t)strcpy(text, names[i]), next, size};
        text += strlen(text) + 1;
        next = page(next + size);
    }
    boot->heap = next;
    ((void (*)(struct nx_boot *))elf->e_entry)(boot);
}
