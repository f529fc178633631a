/* What only a system may do, tried by name. Says "after" and exits with 7 where nothing came of it. */
#include <nx.h>
#include <string.h>

static struct {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed)) table = {0xffff, 0x200000};

static uint64_t rax;

/* open("/etc/passwd"), fork, execve, write(2): harmless where a guest has no system to call, and telling. */
static uint64_t syscall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    __asm__ volatile("syscall" : "=a"(rax) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return rax;
}

/* Where nobody answers, the number is still in the register. */
static int looks_done(uint64_t number, uint64_t result)
{
    return result < (uint64_t)-4095 && result != number;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    static char text[] = "said by a system call\n";
    uint32_t low = 0, high = 0;
    nx_write(2, "before\n", 7);
    if (!strcmp(what, "syscall-write")) {
        syscall(1, 1, (uintptr_t)text, sizeof text - 1);
    } else if (!strcmp(what, "syscall-open")) {
        if (looks_done(2, syscall(2, (uintptr_t) "/etc/passwd", 0, 0)))
            nx_puts("opened");
    } else if (!strcmp(what, "syscall-fork")) {
        if (looks_done(57, syscall(57, 0, 0, 0)))
            nx_puts("forked");
    } else if (!strcmp(what, "syscall-exit")) {
        syscall(231, 77, 0, 0);
    } else if (!strcmp(what, "syscall-mprotect")) {
        if (syscall(10, 0x300000, 4096, 7) == 0)
            nx_puts("protected");
    } else if (!strcmp(what, "syscall-signal")) {
        if (syscall(62, (uint64_t)-1, 0, 0) == 0)
            nx_puts("signalled");
    } else if (!strcmp(what, "int80")) {
        __asm__ volatile("int $0x80" : "=a"(rax) : "a"(4ul), "b"(1ul), "c"(text), "d"(sizeof text - 1) : "memory");
    } else if (!strcmp(what, "sysenter")) {
        __asm__ volatile("sysenter" : "=a"(rax) : "a"(1ul) : "memory");
    } else if (!strcmp(what, "int3")) {
        __asm__ volatile("int3");
    } else if (!strcmp(what, "in")) {
        __asm__ volatile("inb $0x60, %%al" : "=a"(low));
    } else if (!strcmp(what, "out")) {
        __asm__ volatile("outb %%al, %%dx" ::"a"(0x11), "d"(0x3f8));
    } else if (!strcmp(what, "hlt")) {
        __asm__ volatile("hlt");
    } else if (!strcmp(what, "cli")) {
        __asm__ volatile("cli");
    } else if (!strcmp(what, "lgdt")) {
        __asm__ volatile("lgdt %0" ::"m"(table));
    } else if (!strcmp(what, "lidt")) {
        __asm__ volatile("lidt %0" ::"m"(table));
    } else if (!strcmp(what, "wrmsr")) {
        __asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(low), "d"(high));
    } else if (!strcmp(what, "rdmsr")) {
        __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
    } else if (!strcmp(what, "cr0")) {
        uint64_t value;
        __asm__ volatile("mov %%cr0, %0" : "=r"(value));
        __asm__ volatile("mov %0, %%cr0" ::"r"(value & ~1ul));
    } else if (!strcmp(what, "cr3")) {
        __asm__ volatile("mov %0, %%cr3" ::"r"(0x200000ul));
    } else if (!strcmp(what, "vmcall")) {
        __asm__ volatile("vmcall" ::"a"(1), "b"(2));
    } else if (!strcmp(what, "rdtsc")) {
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    } else if (!strcmp(what, "cpuid")) {
        uint32_t b, c;
        __asm__ volatile("cpuid" : "=a"(low), "=b"(b), "=c"(c), "=d"(high) : "a"(0), "c"(0));
    } else {
        return 3;
    }
    nx_puts("after");
    return 7;
}
