/* Where a tender begins, and what the compiler expects of a C library: four functions over memory.
 *
 * A static-pie program is not yet relocated when the kernel enters it; everything until `relocate` is done
 * reads addresses by code only. Invariant: nothing here keeps state. */
#include "system.h"

#include <linux/elf.h>

int nx_main(int argc, char **argv, char **environment);
void nx_start(long *stack);

__asm__(".text\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call nx_start\n"
        "    ud2\n"
        ".size _start, . - _start\n");

extern const Elf64_Dyn nx_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));
extern const char nx_program[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

#define RELATIVE 8 /* R_X86_64_RELATIVE: the only kind that a program without libraries has */

static void relocate(void)
{
    const uintptr_t base = (uintptr_t)nx_program;
    const Elf64_Rela *entry = NULL;
    size_t bytes = 0;
    for (const Elf64_Dyn *d = nx_dynamic; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_RELA)
            entry = (const Elf64_Rela *)(base + d->d_un.d_ptr);
        else if (d->d_tag == DT_RELASZ)
            bytes = d->d_un.d_val;
    }
    for (size_t i = 0; i < bytes / sizeof *entry; i++) {
        if (ELF64_R_TYPE(entry[i].r_info) != RELATIVE)
            nx_sys_exit(125);
        *(uintptr_t *)(base + entry[i].r_offset) = base + (uintptr_t)entry[i].r_addend;
    }
}

__attribute__((used)) void nx_start(long *stack)
{
    relocate();
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    nx_sys_exit(nx_main(argc, argv, argv + argc + 1));
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(to, from, size);
    for (size_t i = size; i-- > 0;)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t size)
{
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}
