#include "kvm_probe.h"

#include "kvm_pages.h"
#include "nx_abi.h"
#include "system.h"

#include <linux/errno.h>
#include <linux/time_types.h>

#define LONG_RUN 100000u
#define SHORT_RUN 100u
#define SLOW 20000u /* nanoseconds of a short run, from which on a long one would take too long */
#define TRIES 3     /* the fastest counts: something else may run between */

/* mov ecx, edi; 1: dec ecx; jnz 1b; mov eax, 0; mov edx, NX_DOORBELL; mov [rdx], eax */
static const uint8_t loop[] = {0x89, 0xf9, 0xff, 0xc9, 0x75, 0xfc, 0xb8, 0,    0,    0,
                               0,    0xba, 0,    0,    0,    0xd0, 0x89, 0x02, 0x0f, 0x0b};

static uint64_t now(void)
{
    struct __kernel_timespec t = {0, 0};
    nx_sys3(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, (long)&t, 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds for a loop of so many rounds, the doorbell at its end included. */
static int timed(const struct nx_machine *machine, unsigned cpl, uint64_t rounds, uint64_t *nanoseconds,
                 struct nx_trouble *trouble)
{
    const struct nx_start start = {cpl, NX_TABLES, NX_IMAGE, NX_IMAGE, rounds};
    *nanoseconds = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        if (nx_machine_set(machine, &start, trouble) != 0)
            return -1;
        const uint64_t begun = now();
        long reason = nx_machine_run(machine);
        const uint64_t took = now() - begun;
        if (reason != KVM_EXIT_MMIO || machine->run->mmio.phys_addr != NX_DOORBELL)
            return nx_trouble(trouble, NULL, "KVM: a guest of five instructions does not run",
                              reason < 0 ? reason : -reason);
        *nanoseconds = took < *nanoseconds ? took : *nanoseconds;
    }
    return 0;
}

/* Thousandths of a nanosecond for one round. */
static int measure(unsigned cpl, struct nx_machine *machine, uint64_t *picoseconds,
                   struct nx_trouble *trouble)
{
    struct nx_memory memory;
    uint64_t none, took, rounds = SHORT_RUN;
    if (nx_memory_reserve(&memory, NX_BASE + (2u << 20), false, trouble) != 0
        || nx_memory_zeroed(&memory, NX_IMAGE, NX_IMAGE + NX_PAGE, NX_READ | NX_WRITE, trouble) != 0)
        return -1;
    __builtin_memcpy((void *)(memory.host + NX_IMAGE), loop, sizeof loop);
    memory.regions[0].access = NX_READ | NX_EXECUTE;
    if (nx_kvm_pages(&memory, cpl == 3, trouble) != 0
        || nx_machine_make(machine, memory.host, memory.end, trouble) != 0
        || timed(machine, cpl, 1, &none, trouble) != 0 || timed(machine, cpl, rounds, &took, trouble) != 0)
        return -1;
    if (took < none + SLOW) {
        rounds = LONG_RUN;
        if (timed(machine, cpl, rounds, &took, trouble) != 0)
            return -1;
    }
    *picoseconds = (took > none ? took - none : 0) * 1000 / rounds;
    return 0;
}

static const char *code_of(const struct nx_trouble *trouble)
{
    if (!trouble->value)
        return "kvm_failed";
    return trouble->error == EACCES || trouble->error == EPERM ? "no_permission" : "no_kvm";
}

int nx_kvm_probe(int (*confine)(struct nx_machine *, uint64_t, struct nx_trouble *))
{
    static struct nx_text text;
    struct nx_machine machine = {0, 0, NULL};
    struct nx_trouble trouble = {NULL, "", 0}, ring0_trouble;
    uint64_t ring3 = 0, ring0 = 0;
    const char *code = "";
    const bool has_ring0 = measure(0, &machine, &ring0, &ring0_trouble) == 0;
    if (measure(3, &machine, &ring3, &trouble) != 0)
        code = code_of(&trouble);
    else if (confine(&machine, 0, &trouble) != 0)
        code = "no_seccomp";
    nx_text_add(&text, *code ? "{\"works\": false, \"code\": \"" : "{\"works\": true, \"code\": \"");
    nx_text_add(&text, code);
    nx_text_add(&text, "\", \"detail\": \"");
    if (*code)
        nx_text_trouble(&text, &trouble);
    else
        nx_text_add(&text, "a machine runs");
    nx_text_add(&text, "\", \"api\": ");
    nx_text_number(&text, (uint64_t)machine.api);
    nx_text_add(&text, ", \"ring0_ns\": ");
    if (has_ring0)
        nx_text_thousandths(&text, ring0);
    else
        nx_text_add(&text, "null");
    nx_text_add(&text, ", \"ring3_ns\": ");
    if (*code)
        nx_text_add(&text, "null");
    else
        nx_text_thousandths(&text, ring3);
    nx_text_add(&text, "}");
    text.bytes[text.size++] = '\n';
    nx_text_write(&text, 1);
    return 0;
}
