/* One guest for all trials of a tender: its first word says which. Ends with 0 unless the trial says
 * otherwise; with 1 where something was allowed that should have ended it, and with 2 for a trial that it
 * does not know. */
#include "guest.h"

static uint8_t writable[8192] __attribute__((aligned(4096))) = {1};
static uint8_t zeroed[70000];
static const uint8_t constant[4096] __attribute__((aligned(4096))) = {1};

static const char *words;

/* The next word of the command line, and what is behind it. */
static int word_is(const char *name)
{
    const char *at = words;
    while (*name && *at == *name)
        at++, name++;
    if (*name || (*at && *at != ' '))
        return 0;
    words = *at ? at + 1 : at;
    return 1;
}

static int64_t number(void)
{
    int64_t value = 0;
    while (*words >= '0' && *words <= '9')
        value = value * 10 + (*words++ - '0');
    while (*words == ' ')
        words++;
    return value;
}

static void show_memory(void)
{
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof zeroed; i++)
        sum += zeroed[i];
    say_number(sum);
    for (uint64_t at = boot->heap; at < boot->memory_end; at += 4096)
        sum += *(volatile uint8_t *)at;
    say_number(sum);
    say_number((int64_t)boot->heap % 4096);
    say_number((int64_t)boot->memory_end);
    *(volatile uint8_t *)boot->heap = 1;
    *(volatile uint8_t *)(boot->memory_end - 1) = 1;
}

static void show_modules(void)
{
    const struct nx_module *modules = (const struct nx_module *)boot->modules;
    for (uint32_t i = 0; i < boot->module_count; i++) {
        say((const char *)modules[i].name);
        say("\n");
        say_number((int64_t)modules[i].size);
        ask(NX_OP_WRITE, 1, (const void *)modules[i].address, modules[i].size, NULL, 0);
        say("\n");
        /* What is behind it in its page is zero. */
        for (uint64_t at = modules[i].address + modules[i].size; at % 4096; at++)
            if (*(const char *)at)
                leave(1);
    }
}

/* Runs over its stack: every step touches less than a page, so that no hole is jumped over. */
static __attribute__((noinline)) int64_t deeper(int64_t depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return deeper(depth + 1) + room[0];
}

static void call(void *code)
{
    ((void (*)(void))code)();
}

static void faults(void)
{
    if (word_is("null-read"))
        (void)*(volatile char *)(uintptr_t)number();
    else if (word_is("null-write"))
        *(volatile char *)(uintptr_t)number() = 1;
    else if (word_is("read"))
        (void)*(volatile char *)(uintptr_t)number();
    else if (word_is("write-text"))
        *(volatile uint8_t *)(uintptr_t)show_memory = 0xc3;
    else if (word_is("write-constant"))
        *(volatile uint8_t *)(uintptr_t)constant = 2;
    else if (word_is("write-module"))
        *(volatile uint8_t *)((const struct nx_module *)boot->modules)->address = 2;
    else if (word_is("run-data"))
        writable[0] = 0xc3, call(writable);
    else if (word_is("run-constant"))
        call((void *)(uintptr_t)constant);
    else if (word_is("run-stack")) {
        volatile uint8_t code[16] = {0xc3};
        call((void *)(uintptr_t)code);
    } else if (word_is("run-heap")) {
        *(volatile uint8_t *)boot->heap = 0xc3;
        call((void *)boot->heap);
    } else if (word_is("run-module"))
        call((void *)((const struct nx_module *)boot->modules)->address);
    else if (word_is("jump"))
        call((void *)(uintptr_t)number());
    else if (word_is("stack"))
        say_number(deeper(0));
    else if (word_is("behind"))
        *(volatile char *)boot->memory_end = 1;
    else if (word_is("invalid"))
        __asm__ volatile("ud2");
    else if (word_is("halt"))
        __asm__ volatile("hlt");
    else if (word_is("port"))
        __asm__ volatile("outb %%al, $0x80" ::"a"(1));
    else if (word_is("interrupt"))
        __asm__ volatile("int $0x80" ::"a"(1), "b"(0));
    else if (word_is("syscall")) {
        int64_t result = number(); /* its number; the other registers are 0 */
        __asm__ volatile("syscall" : "+a"(result) : "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory");
    } else if (word_is("privileged"))
        __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax");
    else
        leave(2);
    leave(1);
}

static void bad_block(void)
{
    uint64_t at = (uint64_t)number();
    if (boot->ring == NX_RING_STORE)
        *(volatile uint32_t *)(uintptr_t)NX_DOORBELL = (uint32_t)at;
    else
        ((void (*)(uint64_t))(uintptr_t)boot->doorbell)(at);
    leave(1);
}

/* Blocks that are answered with an error; says each result. */
static void refusals(void)
{
    static char buffer[64];
    say_number(ask(NX_OP_WRITE, 3, buffer, 1, NULL, 0));
    say_number(ask(NX_OP_WRITE, 1, (void *)(uintptr_t)(boot->memory_end - 1), 2, NULL, 0));
    say_number(ask(NX_OP_WRITE, 1, (void *)~(uintptr_t)0, 2, NULL, 0));
    say_number(ask(NX_OP_WRITE, 1, (void *)(uintptr_t)0x1000, 2, NULL, 0));
    say_number(ask(NX_OP_WRITE, 1, buffer, (size_t)1 << 40, NULL, 0));
    say_number(
        ask(NX_OP_RANDOM, 0, NULL, 0, (void *)(uintptr_t)show_memory, 8)); /* code is not for writing */
    say_number(ask(NX_OP_RANDOM, 0, NULL, 0, (void *)(uintptr_t)constant, 8));
    say_number(ask(NX_OP_READ, 1, NULL, 0, buffer, 8));
    say_number(ask(NX_OP_TIME, 7, NULL, 0, NULL, 0));
    say_number(ask(NX_OP_FAULT, 0, NULL, 0, NULL, 0));
    struct nx_call call = {.op = NX_OP_TIME, .reserved = 1};
    say_number(ring(&call));
}

static void echo_input(void)
{
    static char buffer[4096];
    int64_t n;
    while ((n = ask(NX_OP_READ, 0, NULL, 0, buffer, sizeof buffer)) > 0)
        ask(NX_OP_WRITE, 1, buffer, (size_t)n, NULL, 0);
    leave(n == 0 ? 0 : 1);
}

static void forward(void)
{
    static char answer[NX_PAYLOAD_MAX];
    uint32_t op = (uint32_t)number();
    uint64_t arg = (uint64_t)number(), room = (uint64_t)number();
    struct nx_call call = {.op = op,
                           .arg = arg,
                           .in = (uintptr_t)words,
                           .in_len = length(words),
                           .out = (uintptr_t)answer,
                           .out_cap = room};
    say_number(ring(&call));
    say_number((int64_t)call.out_len);
    if (call.out_len <= room)
        ask(NX_OP_WRITE, 1, answer, call.out_len, NULL, 0);
}

static void large_forward(void)
{
    static uint8_t bytes[NX_PAYLOAD_MAX];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    say_number(ask(NX_OP_CALL, 0, bytes, sizeof bytes, bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i] != (uint8_t)(i * 7 + 1))
            leave(1);
}

static void clocks(void)
{
    say_number(ask(NX_OP_TIME, 0, NULL, 0, NULL, 0));
    int64_t begun = ask(NX_OP_TIME, 1, NULL, 0, NULL, 0);
    ask(NX_OP_SLEEP, 20000000, NULL, 0, NULL, 0);
    say_number(ask(NX_OP_TIME, 1, NULL, 0, NULL, 0) - begun);
}

static void random_bytes(void)
{
    static uint8_t bytes[64];
    say_number(ask(NX_OP_RANDOM, 0, NULL, 0, bytes, sizeof bytes));
    ask(NX_OP_WRITE, 1, bytes, sizeof bytes, NULL, 0);
}

static void output(void)
{
    static char line[65536];
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = 'x';
    for (int64_t left = number(); left > 0; left--)
        if (ask(NX_OP_WRITE, 1, line, sizeof line, NULL, 0) != sizeof line)
            leave(3);
}

__attribute__((used)) void begin(const struct nx_boot *given)
{
    boot = given;
    if (boot->magic != NX_BOOT_MAGIC || boot->version != NX_ABI_VERSION)
        __builtin_trap();
    words = (const char *)boot->command_line;
    if (word_is("hello"))
        say("hello from the guest\n");
    else if (word_is("errors"))
        ask(NX_OP_WRITE, 2, "to errors\n", 10, NULL, 0);
    else if (word_is("status"))
        leave((int)number());
    else if (word_is("words"))
        say(words);
    else if (word_is("memory"))
        show_memory();
    else if (word_is("modules"))
        show_modules();
    else if (word_is("fault"))
        faults();
    else if (word_is("block"))
        bad_block();
    else if (word_is("refusals"))
        refusals();
    else if (word_is("echo"))
        echo_input();
    else if (word_is("forward"))
        forward();
    else if (word_is("large-forward"))
        large_forward();
    else if (word_is("clocks"))
        clocks();
    else if (word_is("random"))
        random_bytes();
    else if (word_is("output"))
        output();
    else if (word_is("sleep"))
        ask(NX_OP_SLEEP, (uint64_t)number() * 1000000, NULL, 0, NULL, 0);
    else if (word_is("rings"))
        for (int64_t left = number(); left > 0; left--)
            ask(NX_OP_TIME, 1, NULL, 0, NULL, 0);
    else if (word_is("loop"))
        for (;;)
            __asm__ volatile("");
    else if (word_is("count"))
        for (volatile int64_t left = number(); left > 0; left--)
            ;
    else
        leave(2);
    leave(0);
}

/* Entered as if called; a guest's own start would set its stack here. */
__asm__(".section .text.entry64, \"ax\"\n"
        ".globl entry64\n"
        "entry64:\n"
        "    jmp begin\n");
