/* What the broker gives up and guards itself with before it reads the first byte of a client.
 *
 * Each measure is on or off with the reason, and STATS reports it. None is needed for right answers: a kernel
 * that lacks one gets a broker that says so. The seccomp list is one table in seccomp.c.
 */
#ifndef AM_SANDBOX_H
#define AM_SANDBOX_H

#include <stdbool.h>

struct am_measure { bool on; char reason[96]; };
struct am_sandbox {
    struct am_measure landlock; /* only the folder; /proc and control groups to read */
    struct am_measure seccomp;  /* only the system calls of the table */
    struct am_measure undumpable; /* no core file, no ptrace by other processes of the user */
    struct am_measure locked;   /* the broker's own code and data stay in memory */
    struct am_measure oom;      /* the kernel kills others first */
    int oom_score_adj;
    unsigned long long open_files; /* the limit, after it was raised */
};

/* For supervisor and broker: before anything is opened that others could reach. */
void am_sandbox_process(struct am_sandbox *sandbox, bool debug);
/* Everything but seccomp, in the supervisor; its brokers inherit it. The socket's folder only to remove
 * the socket. disk: a PCI device that the cold tier lies on, like 0000:00:04.0; NULL: none. */
void am_sandbox_files(struct am_sandbox *sandbox, const char *folder, const char *socket, const char *disk);
/* Memory: in the broker, because locks are not inherited. */
void am_sandbox_memory(struct am_sandbox *sandbox);
/* Seccomp, in the broker, before its first thread. devices: the ioctls of vfio too. */
void am_sandbox_calls(struct am_measure *measure, bool devices);
void am_measure_set(struct am_measure *measure, bool on, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sanitizers need ptrace, /proc and system calls of their own: with them these measures stay off and
 * say so. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define AM_SANITIZED 1
#endif
#endif
#ifndef AM_SANITIZED
#define AM_SANITIZED 0
#endif

#endif
