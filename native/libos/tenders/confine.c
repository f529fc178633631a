#include "confine.h"

#include "channel.h"
#include "system.h"

#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <linux/time.h>

#define NOBODY 65534
#define STACK_BYTES (256u << 10)
#define DESCRIPTORS_MAX 65536u

int nx_fill_descriptors(struct nx_trouble *trouble)
{
    for (int fd = 0; fd <= 3; fd++) {
        if (nx_sys3(__NR_fcntl, fd, F_GETFD, 0) >= 0)
            continue;
        long opened = nx_sys3(__NR_open, (long)"/dev/null", O_RDWR, 0);
        if (opened != fd)
            return nx_trouble(trouble, "/dev/null", "cannot be opened", opened < 0 ? opened : 0);
    }
    return 0;
}

void nx_forget(char **strings)
{
    for (; *strings; strings++)
        for (volatile char *c = *strings; *c; c++)
            *c = 0;
}

static void reset_signals(void)
{
    struct {
        __sighandler_t handler;
        unsigned long flags;
        __sigrestore_t restorer;
        unsigned long mask;
    } action = {SIG_DFL, 0, 0, 0};
    /* SIG_IGN is inherited: whoever starts us might keep SIGPROF from ending an endless loop. */
    static const int endings[] = {SIGHUP, SIGINT, SIGTERM, SIGPROF, SIGXCPU};
    for (unsigned i = 0; i < sizeof endings / sizeof *endings; i++)
        nx_sys5(__NR_rt_sigaction, endings[i], (long)&action, 0, sizeof action.mask, 0);
    action.handler = SIG_IGN;
    nx_sys5(__NR_rt_sigaction, SIGPIPE, (long)&action, 0, sizeof action.mask, 0);
    const unsigned long none = 0;
    nx_sys5(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0);
}

static long limit(int what, uint64_t most)
{
    struct rlimit64 now, new = {most, most};
    long result = nx_sys5(__NR_prlimit64, 0, what, 0, (long)&now, 0);
    if (result == 0 && now.rlim_max < most)
        new.rlim_cur = new.rlim_max = now.rlim_max;
    return result != 0 ? result : nx_sys5(__NR_prlimit64, 0, what, (long)&new, 0, 0);
}

static int limits(uint64_t cpu_microseconds, struct nx_trouble *trouble)
{
    long result = limit(RLIMIT_CORE, 0);
    if (result == 0)
        result = limit(RLIMIT_STACK, STACK_BYTES);
    if (result == 0 && cpu_microseconds > 0) {
        const struct __kernel_old_timeval left = {(long)(cpu_microseconds / 1000000),
                                                  (long)(cpu_microseconds % 1000000)};
        /* struct itimerval: again, then at first. */
        const struct __kernel_old_timeval timer[2] = {{0, 0}, left};
        result = nx_sys3(__NR_setitimer, ITIMER_PROF, (long)timer, 0);
    }
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "cannot set a limit", result);
}

static int drop_user(struct nx_trouble *trouble)
{
    long result = nx_sys3(__NR_geteuid, 0, 0, 0) == 0 || nx_sys3(__NR_getuid, 0, 0, 0) == 0
                      ? nx_sys3(__NR_setgroups, 0, 0, 0)
                      : 1;
    if (result <= 0) {
        if (result == 0)
            result = nx_sys3(__NR_setresgid, NOBODY, NOBODY, NOBODY);
        if (result == 0)
            result = nx_sys3(__NR_setresuid, NOBODY, NOBODY, NOBODY);
        /* Root of a user namespace that knows no nobody (EINVAL), or root that may not change its user
         * (EPERM): what it may do goes with its capabilities. */
        if (result != 0 && result != -EINVAL && result != -EPERM)
            return nx_trouble(trouble, NULL, "cannot become nobody", result);
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}, {0, 0, 0}};
    result = nx_sys3(__NR_capset, (long)&header, (long)none, 0);
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "cannot give up capabilities", result);
}

static void close_from(unsigned first)
{
    if (nx_sys3(__NR_close_range, first, (long)~0u, 0) == 0)
        return;
    struct rlimit64 now = {DESCRIPTORS_MAX, DESCRIPTORS_MAX}; /* a kernel before 5.9 */
    nx_sys5(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&now, 0);
    for (unsigned fd = first; fd < now.rlim_cur && fd < DESCRIPTORS_MAX; fd++)
        nx_sys3(__NR_close, fd, 0, 0);
}

/* Whether the other end is closed. A parent that died before we began is seen by this alone. */
static int hung_up(int fd)
{
    struct pollfd asked = {fd, POLLIN, 0};
    return nx_sys3(__NR_poll, (long)&asked, 1, 0) > 0 && (asked.revents & POLLHUP);
}

int nx_give_up(uint64_t cpu_microseconds, unsigned first_closed, struct nx_trouble *trouble)
{
    reset_signals();
    close_from(first_closed);
    const long parent = nx_sys3(__NR_getppid, 0, 0, 0);
    if (limits(cpu_microseconds, trouble) != 0 || drop_user(trouble) != 0)
        return -1;
    long result = nx_sys5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result != 0)
        return nx_trouble(trouble, NULL, "cannot give up new privileges", result);
    /* After the user has changed: that clears it. */
    result = nx_sys5(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (result != 0)
        return nx_trouble(trouble, NULL, "cannot be bound to its parent", result);
    if (nx_sys3(__NR_getppid, 0, 0, 0) != parent || hung_up(NX_CHANNEL))
        return nx_trouble(trouble, NULL, "its parent has gone", 0);
    return 0;
}

#define PROGRAM_MAX 96u

struct program {
    unsigned size;
    struct sock_filter code[PROGRAM_MAX];
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    if (p->size < PROGRAM_MAX)
        p->code[p->size] = (struct sock_filter){code, yes, no, k};
    p->size++;
}

static void emit_load(struct program *p, uint32_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_equal(struct program *p, uint32_t value, unsigned yes, unsigned no)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, (uint8_t)yes, (uint8_t)no);
}

static void emit_return(struct program *p, uint32_t what)
{
    emit(p, BPF_RET | BPF_K, what, 0, 0);
}

/* Skipped whole where the call is another; ends in a return. The kernel takes these arguments as ints, so
 * that the upper halves of the registers count for nothing. */
static void emit_rule(struct program *p, const struct nx_rule *rule)
{
    unsigned inside = 1;
    for (unsigned i = 0; i < 2; i++)
        inside += rule->arguments[i].count ? rule->arguments[i].count + 2 : 0;
    emit_equal(p, rule->call, 0, inside);
    for (unsigned i = 0; i < 2; i++) {
        const struct nx_argument *argument = &rule->arguments[i];
        if (argument->count == 0)
            continue;
        emit_load(p, (uint32_t)(offsetof(struct seccomp_data, args) + argument->index * sizeof(uint64_t)));
        for (unsigned v = 0; v < argument->count; v++)
            emit_equal(p, argument->values[v], argument->count - v, 0);
        emit_return(p, SECCOMP_RET_KILL_PROCESS);
    }
    emit_return(p, SECCOMP_RET_ALLOW);
}

int nx_filter(const struct nx_rule *more, unsigned count, struct nx_trouble *trouble)
{
    static const struct nx_rule always[] = {
        {__NR_write, {{0, 3, {1, 2, 3}}}},
        {__NR_read, {{0, 2, {0, 3}}}},
        {.call = __NR_exit_group},
        {.call = __NR_clock_gettime},
        {.call = __NR_clock_nanosleep},
        {.call = __NR_getrandom},
    };
    struct program p;
    p.size = 0;
    emit_load(&p, offsetof(struct seccomp_data, arch));
    emit_equal(&p, AUDIT_ARCH_X86_64, 1, 0);
    emit_return(&p, SECCOMP_RET_KILL_PROCESS);
    emit_load(&p, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < sizeof always / sizeof *always; i++)
        emit_rule(&p, &always[i]);
    for (unsigned i = 0; i < count; i++)
        emit_rule(&p, &more[i]);
    emit_return(&p, SECCOMP_RET_KILL_PROCESS);
    if (p.size > PROGRAM_MAX)
        return nx_trouble(trouble, NULL, "the filter of system calls is too long", 0);
    const struct sock_fprog program = {(unsigned short)p.size, p.code};
    long result = nx_sys5(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program, 0, 0);
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "no filter of system calls (seccomp) here", result);
}
