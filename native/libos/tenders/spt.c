/* nexus-tender-spt: runs one guest as this process, which may do almost nothing.
 *
 * The guest's code shares the address space with the tender's; what holds it is the kernel's filter of system
 * calls, set before its first instruction, under which a jump into the tender's code gains nothing: whatever
 * code runs here can write to the descriptors 1 to 3, read from 0 and 3, read clocks, sleep, get random
 * numbers and exit. Memory that is writable is nowhere executable, and neither can be changed. The address
 * space holds nothing of the host's: arguments and environment are overwritten.
 *
 * The guest rings by a call. It is answered on a stack of the tender's own, for the guest's may be nearly
 * full. */
#include "calls.h"
#include "channel.h"
#include "confine.h"
#include "load.h"
#include "nx_abi.h"
#include "system.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <linux/mman.h>

#define PROGRAM "nexus-tender-spt"
#define STACK_SIZE 65536

int nx_main(int argc, char **argv, char **environment);
void nx_spt_ring(uint64_t block);
void nx_spt_doorbell(void);
void nx_spt_restore(void);
_Noreturn void nx_spt_enter(uint64_t boot, uint64_t entry, uint64_t stack);

char nx_spt_stack[STACK_SIZE] __attribute__((aligned(16), used));
static char fault_stack[STACK_SIZE] __attribute__((aligned(16)));
static struct nx_guest guest;

__asm__(".text\n"
        ".globl nx_spt_doorbell\n"
        ".type nx_spt_doorbell, @function\n"
        "nx_spt_doorbell:\n"
        "    cld\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    lea nx_spt_stack+65536(%rip), %rsp\n"
        "    call nx_spt_ring\n"
        "    mov %rbp, %rsp\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size nx_spt_doorbell, . - nx_spt_doorbell\n"
        /* No register tells the guest where the tender lies, though its doorbell does. */
        ".globl nx_spt_enter\n"
        ".type nx_spt_enter, @function\n"
        "nx_spt_enter:\n"
        "    mov %rdx, %rsp\n"
        "    mov %rsi, %rax\n"
        "    xor %ebx, %ebx\n"
        "    xor %ecx, %ecx\n"
        "    xor %edx, %edx\n"
        "    xor %esi, %esi\n"
        "    xor %ebp, %ebp\n"
        "    xor %r8d, %r8d\n"
        "    xor %r9d, %r9d\n"
        "    xor %r10d, %r10d\n"
        "    xor %r11d, %r11d\n"
        "    xor %r12d, %r12d\n"
        "    xor %r13d, %r13d\n"
        "    xor %r14d, %r14d\n"
        "    xor %r15d, %r15d\n"
        "    cld\n"
        "    jmp *%rax\n"
        ".size nx_spt_enter, . - nx_spt_enter\n"
        /* The kernel wants an address to return to from a handler; ours do not return. */
        ".globl nx_spt_restore\n"
        ".type nx_spt_restore, @function\n"
        "nx_spt_restore:\n"
        "    ud2\n"
        ".size nx_spt_restore, . - nx_spt_restore\n");

static _Noreturn void fault(uint32_t kind, uint64_t ip, uint64_t address)
{
    nx_tell_fault(NX_CHANNEL, kind, ip, address);
    nx_sys_exit(NX_FAULTED);
}

__attribute__((used)) void nx_spt_ring(uint64_t block)
{
    const struct nx_service service = {&guest.memory, 0, 1, 2, NX_CHANNEL};
    int status = 0;
    const char *why = NULL;
    switch (nx_answer(&service, block, &status, &why)) {
    case NX_GO_ON: return;
    case NX_EXITED: nx_sys_exit(status);
    case NX_BAD_BLOCK: fault(NX_FAULT_DOORBELL, 0, block);
    case NX_BROKEN: nx_sys_exit(nx_refuse(PROGRAM, &(struct nx_trouble){NULL, why, 0}));
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    const struct ucontext *at = context;
    fault(NX_FAULT_MEMORY, at->uc_mcontext.rip, (uint64_t)info->si_addr);
}

/* A second fault, in the handler, ends the process by its signal; so do a division by zero and an instruction
 * that is none. */
static int catch_faults(struct nx_trouble *trouble)
{
    static const int numbers[] = {SIGSEGV, SIGBUS};
    const stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof fault_stack};
    long result = nx_sys3(__NR_sigaltstack, (long)&stack, 0, 0);
    const struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } action = {on_fault, SA_SIGINFO | SA_ONSTACK | SA_RESTORER, nx_spt_restore, 0};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers && result == 0; i++)
        result = nx_sys5(__NR_rt_sigaction, numbers[i], (long)&action, 0, sizeof action.mask, 0);
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "cannot catch the guest's faults", result);
}

static int confine(uint64_t cpu_microseconds, struct nx_trouble *trouble)
{
    if (nx_give_up(cpu_microseconds, NX_CHANNEL + 1, trouble) != 0 || catch_faults(trouble) != 0)
        return -1;
    return nx_filter(NULL, 0, trouble);
}

/* Whether the two things that a machine may lack are there: the guest's addresses, and the filter. */
static int probe(void)
{
    static struct nx_text text;
    struct nx_trouble trouble = {NULL, "the filter of system calls works", 0};
    const char *code = "";
    if (nx_memory_reserve(&guest.memory, NX_MEMORY_MAX, true, &trouble) != 0)
        code = "no_addresses";
    else if (confine(0, &trouble) != 0)
        code = "no_seccomp";
    nx_text_add(&text, *code ? "{\"works\": false, \"code\": \"" : "{\"works\": true, \"code\": \"");
    nx_text_add(&text, code);
    nx_text_add(&text, "\", \"detail\": \"");
    nx_text_trouble(&text, &trouble);
    nx_text_add(&text, "\"}");
    text.bytes[text.size++] = '\n';
    nx_text_write(&text, 1);
    return 0;
}

int nx_main(int argc, char **argv, char **environment)
{
    static struct nx_options options;
    struct nx_trouble trouble;
    nx_forget(environment);
    if (nx_fill_descriptors(&trouble) != 0 || nx_options_parse(argc, argv, false, &options, &trouble) != 0)
        return nx_refuse(PROGRAM, &trouble);
    if (options.probe)
        return probe();
    if (nx_load(&options, true, NX_RING_CALL, (uint64_t)nx_spt_doorbell, &guest, &trouble) != 0
        || confine(options.cpu_microseconds, &trouble) != 0)
        return nx_refuse(PROGRAM, &trouble);
    nx_forget(argv + 1);
    nx_spt_enter(guest.boot, guest.entry, guest.stack);
}
