/* The system calls that a broker may make, as a table; see sandbox.h.
 *
 * What is in the table is allowed. What only somebody who has taken the broker over would want (another
 * program, another process's memory, the network) ends the broker. Everything else gets ENOSYS: a C library
 * that tries a newer call first falls back. io_uring does what its rings say without passing here; what it
 * may open is landlock's.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

static const uint16_t allowed[] = {
    /* Descriptors: reading, writing, closing. */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_close,
    SYS_dup,
    SYS_dup3,
    SYS_fcntl,
    SYS_lseek,
    SYS_close_range,
    /* Files of the folder: the cold log and the journal. */
    SYS_openat,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_getdents64,
    SYS_flock,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_statfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_fchmod,
    SYS_readahead,
    SYS_fadvise64,
    SYS_copy_file_range,
    /* Memory: heaps, segments, tables; memfds and their pages. Executable memory is refused below. */
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_msync,
    SYS_mincore,
    SYS_memfd_create,
    /* Clients: accepting, packets with descriptors, who they are. No new sockets. */
    SYS_accept4,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvfrom,
    SYS_sendto,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_pidfd_open,
    /* Waiting. */
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_ppoll,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_signalfd4,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_restart_syscall,
    /* Threads (processes are refused below) and their locks; the barrier that readers lean on. */
    SYS_clone,
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_membarrier,
    SYS_set_tid_address,
    SYS_setpriority,
    SYS_getpriority,
    SYS_ioprio_set,
    /* The disk with many reads in flight. */
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    /* Itself: who it is, its limits, randomness, its signals, its end. tgkill is abort's. */
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_prlimit64,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
    SYS_prctl,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_tgkill,
    SYS_exit,
    SYS_exit_group,
#ifdef __x86_64__
    /* The older names of the same, which C libraries use on this processor. */
    SYS_open,
    SYS_mkdir,
    SYS_unlink,
    SYS_rename,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_poll,
    SYS_epoll_wait,
    SYS_readlink,
    SYS_dup2,
    SYS_time,
    SYS_getrlimit,
    SYS_arch_prctl,
    SYS_pause,
#endif
};

static const uint16_t deadly[] = {
    /* Another program, or another process's memory or descriptors. */
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd,
    /* The network and new connections. */
    SYS_socket, SYS_connect, SYS_bind, SYS_listen,
    /* The system. */
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_init_module, SYS_finit_module, SYS_delete_module,
    SYS_kexec_load, SYS_bpf, SYS_perf_event_open, SYS_unshare, SYS_setns, SYS_reboot, SYS_keyctl, SYS_add_key,
    SYS_userfaultfd, SYS_setuid, SYS_setgid, SYS_setresuid, SYS_setresgid,
};

#if defined(MACHINE) && !AM_SANITIZED
#define COUNT(table) (sizeof(table) / sizeof *(table))
#define ARGUMENT(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8u * (n))) /* its low half */
enum { ROOM = 2 * (COUNT(allowed) + COUNT(deadly)) + 64 };

struct program { struct sock_filter code[ROOM]; unsigned short count; };

static void add(struct program *program, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    program->code[program->count++] = (struct sock_filter){code, yes, no, value};
}

static void give(struct program *program, uint32_t answer)
{
    add(program, BPF_RET | BPF_K, answer, 0, 0);
}

/* The ioctls whose kind is this byte; of all others EPERM. */
static void of_kind(struct program *program, uint8_t kind)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5);
    add(program, BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1), 0, 0);
    add(program, BPF_ALU | BPF_AND | BPF_K, 0xff00, 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)kind << 8, 1, 0);
    give(program, SECCOMP_RET_ERRNO | EPERM);
    give(program, SECCOMP_RET_ALLOW);
}

/* call with an argument that has any of these bits (want 0) or none of them (want 1): EPERM. */
static void demand(struct program *program, uint32_t call, unsigned argument, uint32_t bits, int want)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5);
    add(program, BPF_LD | BPF_W | BPF_ABS, ARGUMENT(argument), 0, 0);
    add(program, BPF_JMP | BPF_JSET | BPF_K, bits, (uint8_t)want, (uint8_t)!want);
    give(program, SECCOMP_RET_ERRNO | EPERM);
    give(program, SECCOMP_RET_ALLOW);
    give(program, SECCOMP_RET_ALLOW);
}

void am_sandbox_calls(struct am_measure *measure, bool devices)
{
    struct program program = {.count = 0};
    add(&program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    add(&program, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    give(&program, SECCOMP_RET_KILL_PROCESS);
    add(&program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    demand(&program, SYS_mmap, 2, PROT_EXEC, 0);
    demand(&program, SYS_mprotect, 2, PROT_EXEC, 0);
    demand(&program, SYS_clone, 0, CLONE_THREAD, 1);
    demand(&program, SYS_kill, 1, 0xffffffffu, 0); /* signal 0 only: is that process still there? */
    if (devices)
        of_kind(&program, ';'); /* vfio's */
    for (size_t i = 0; i < COUNT(allowed); i++) {
        add(&program, BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        give(&program, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < COUNT(deadly); i++) {
        add(&program, BPF_JMP | BPF_JEQ | BPF_K, deadly[i], 0, 1);
        give(&program, SECCOMP_RET_KILL_PROCESS);
    }
    give(&program, SECCOMP_RET_ERRNO | ENOSYS);
    const struct sock_fprog loaded = {program.count, program.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded) != 0)
        am_measure_set(measure, false, "%s", strerror(errno));
    else
        am_measure_set(measure, true, "%zu system calls allowed", COUNT(allowed));
}
#else
void am_sandbox_calls(struct am_measure *measure, bool devices)
{
    (void)devices, (void)allowed, (void)deadly;
    am_measure_set(measure, false,
                   AM_SANITIZED ? "built with a sanitizer, which makes system calls of its own"
                                : "no list for this processor");
}
#endif
