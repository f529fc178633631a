/* Bad pointers, by name: each is to end the guest, and only the guest. */
#include <nx.h>
#include <string.h>

extern const struct nx_boot *nx_boot;

static const char constant[] = "constant";
static char data[64] = {(char)0xc3}; /* ret */
static volatile uint64_t sink;

static int deeper(volatile char *above)
{
    volatile char here[512];
    here[0] = *above;
    return deeper(here) + here[0];
}

static void jump(uint64_t address)
{
    ((void (*)(void))(uintptr_t)address)();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    void *heap = nx_pages(1);
    size_t size;
    nx_write(2, "before\n", 7);
    if (!strcmp(what, "read-null"))
        sink = *(volatile uint64_t *)(argc - 2 + (uintptr_t)0);
    else if (!strcmp(what, "write-null"))
        *(volatile uint64_t *)(uintptr_t)8 = 1;
    else if (!strcmp(what, "read-wild"))
        sink = *(volatile uint64_t *)(uintptr_t)0x7fff12345678;
    else if (!strcmp(what, "write-wild"))
        *(volatile uint64_t *)(uintptr_t)0x123456789000 = 1;
    else if (!strcmp(what, "read-top"))
        sink = *(volatile uint64_t *)(uintptr_t)0xfffffffffffffff0;
    else if (!strcmp(what, "read-hole"))
        sink = *(volatile uint64_t *)(uintptr_t)0xdeadbeefdeadbeef; /* no address at all */
    else if (!strcmp(what, "write-text"))
        *(volatile char *)(uintptr_t)&deeper = 0;
    else if (!strcmp(what, "write-constant"))
        *(volatile char *)(uintptr_t)constant = 0;
    else if (!strcmp(what, "write-module"))
        *(volatile char *)(uintptr_t)nx_module("main.py", &size) = 0;
    else if (!strcmp(what, "jump-data"))
        jump((uintptr_t)data);
    else if (!strcmp(what, "jump-heap"))
        jump((uintptr_t)memset(heap, 0xc3, 64));
    else if (!strcmp(what, "jump-stack"))
        jump((uintptr_t)memset(&(char[64]){0}, 0xc3, 64));
    else if (!strcmp(what, "jump-null"))
        jump(0);
    else if (!strcmp(what, "stack"))
        return deeper(data);
    else if (!strcmp(what, "behind")) /* the first byte that is not the guest's */
        *(volatile char *)(uintptr_t)nx_boot->memory_end = 1;
    else if (!strcmp(what, "divide"))
        sink = 100 / sink;
    else if (!strcmp(what, "invalid"))
        __asm__ volatile("ud2");
    else
        return 3;
    nx_puts("after");
    return 0;
}
