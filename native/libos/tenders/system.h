/* System calls, bare: a tender has no C library, so that a process holds nothing but what it does.
 *
 * Each returns what the kernel returns: a value >= 0, or a negative error number. x86-64 Linux only. */
#ifndef NX_SYSTEM_H
#define NX_SYSTEM_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

static inline long nx_sys6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long nx_sys3(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static inline long nx_sys5(long number, long a, long b, long c, long d, long e)
{
    return nx_sys6(number, a, b, c, d, e, 0);
}

static inline long nx_sys_read(int fd, void *to, size_t size)
{
    return nx_sys3(__NR_read, fd, (long)to, (long)size);
}

static inline long nx_sys_write(int fd, const void *from, size_t size)
{
    return nx_sys3(__NR_write, fd, (long)from, (long)size);
}

static inline long nx_sys_mmap(uintptr_t at, size_t size, int protection, int flags, int fd, uint64_t offset)
{
    return nx_sys6(__NR_mmap, (long)at, (long)size, protection, flags, fd, (long)offset);
}

static inline long nx_sys_ioctl(int fd, unsigned long request, void *with)
{
    return nx_sys3(__NR_ioctl, fd, (long)request, (long)with);
}

static inline _Noreturn void nx_sys_exit(int status)
{
    for (;;)
        nx_sys3(__NR_exit_group, status, 0, 0);
}

#endif
