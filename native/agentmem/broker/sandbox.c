/* See sandbox.h. */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#define HAVE_LANDLOCK 1
#endif

void am_measure_set(struct am_measure *measure, bool on, const char *format, ...)
{
    va_list values;
    measure->on = on;
    va_start(values, format);
    vsnprintf(measure->reason, sizeof measure->reason, format, values);
    va_end(values);
}

static void oom(struct am_sandbox *sandbox)
{
    static const char *const wishes[] = {"-900", "-500", "0"};
    const int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    int error = errno, wish = 0;
    while (fd >= 0 && wish < 3 && write(fd, wishes[wish], strlen(wishes[wish])) < 0)
        error = errno, wish++;
    char text[16] = "";
    if (fd >= 0) {
        const ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
        if (bytes <= 0 || sscanf(text, "%d", &sandbox->oom_score_adj) != 1)
            sandbox->oom_score_adj = 0;
        close(fd);
    }
    if (sandbox->oom_score_adj < 0)
        am_measure_set(&sandbox->oom, true, "oom_score_adj %d", sandbox->oom_score_adj);
    else
        am_measure_set(&sandbox->oom, false, "oom_score_adj %d: %s (lowering it needs CAP_SYS_RESOURCE)",
                       sandbox->oom_score_adj, strerror(error));
}

void am_sandbox_process(struct am_sandbox *sandbox, bool debug)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        sandbox->open_files = limit.rlim_cur;
    }
    oom(sandbox);
    if (AM_SANITIZED)
        am_measure_set(&sandbox->undumpable, false, "built with a sanitizer, which attaches to itself");
    else if (debug)
        am_measure_set(&sandbox->undumpable, false, "--debug");
    else if (prctl(PR_SET_DUMPABLE, 0) != 0)
        am_measure_set(&sandbox->undumpable, false, "%s", strerror(errno));
    else {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        am_measure_set(&sandbox->undumpable, true, "PR_SET_DUMPABLE 0");
    }
}

void am_sandbox_memory(struct am_sandbox *sandbox)
{
    if (AM_SANITIZED)
        am_measure_set(&sandbox->locked, false, "built with a sanitizer, whose shadow is terabytes");
    /* What is mapped now (code, data, heap), as it is touched; not the segments of units that are mapped
     * later. */
    else if (mlockall(MCL_CURRENT | MCL_ONFAULT) == 0)
        am_measure_set(&sandbox->locked, true, "code, data and stack");
    else
        am_measure_set(&sandbox->locked, false, "%s (RLIMIT_MEMLOCK)", strerror(errno));
}

#ifdef HAVE_LANDLOCK
/* The second version's right to move files between folders, the third's to truncate, the fifth's ioctl. */
#define REFER (1ull << 13)
#define TRUNCATE (1ull << 14)
#define IOCTL (1ull << 15)
#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EVERYTHING ((1ull << 13) - 1)

/* With the rights that this kernel knows; the kernel refuses a folder's right on a file. */
static bool allow(int rules, const char *path, uint64_t rights)
{
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    const struct landlock_path_beneath_attr beneath = {.allowed_access = rights, .parent_fd = fd};
    const long status = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(fd);
    return status == 0;
}

/* What the driver of a bare disk opens: the device's folder, and the two kinds of files that give it away. */
static void allow_disk(int rules, const char *disk, uint64_t ioctl)
{
    static const char *const written[] = {"config", "resource0"}; /* by uio's half of the driver */
    const uint64_t both = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
    char path[128], group[PATH_MAX];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%.15s", disk);
    allow(rules, path, READ);
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%.15s/uio", disk);
    DIR *listing = opendir(path);
    if (listing == NULL) { /* then it is vfio's */
        snprintf(path, sizeof path, "/sys/bus/pci/devices/%.15s/iommu_group", disk);
        const ssize_t bytes = readlink(path, group, sizeof group - 1);
        group[bytes > 0 ? bytes : 0] = 0;
        snprintf(path, sizeof path, "/dev/vfio/%.40s", basename(group));
        if (bytes > 0 && allow(rules, path, both | ioctl))
            allow(rules, "/dev/vfio/vfio", both | ioctl);
        return;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, "uio", 3) == 0) {
            snprintf(path, sizeof path, "/dev/%.40s", entry->d_name);
            allow(rules, path, both);
        }
    closedir(listing);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/sys/bus/pci/devices/%.15s/%s", disk, written[i]);
        allow(rules, path, both);
    }
}

void am_sandbox_files(struct am_sandbox *sandbox, const char *folder, const char *socket, const char *disk)
{
    struct am_measure *measure = &sandbox->landlock;
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        am_measure_set(measure, false, "the kernel has no landlock: %s", strerror(errno));
        return;
    }
    /* Files since the first version; TCP, to none at all, since the fourth; abstract sockets and signals to
     * processes outside since the sixth. The structure grew with them; its size says how much is meant. */
    struct { uint64_t files, net, scoped; } rights = {EVERYTHING, 3, 3};
    rights.files |= (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) | (version >= 5 ? IOCTL : 0);
    const size_t bytes = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    const int rules = (int)syscall(SYS_landlock_create_ruleset, &rights, bytes, 0);
    char above[PATH_MAX];
    snprintf(above, sizeof above, "%s", socket);
    const uint64_t own = rights.files & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | IOCTL
                                          | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM);
    if (rules < 0 || !allow(rules, folder, own)
        || !allow(rules, dirname(above), LANDLOCK_ACCESS_FS_REMOVE_FILE) || !allow(rules, "/proc", READ)) {
        am_measure_set(measure, false, "the rules are refused: %s", strerror(errno));
        if (rules >= 0)
            close(rules);
        return;
    }
    /* Not every kernel has it; without, memory is polled. */
    allow(rules, "/proc/pressure/memory", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow(rules, "/sys/fs/cgroup", READ);          /* what its control group leaves of memory */
    if (disk != NULL)
        allow_disk(rules, disk, rights.files & IOCTL);
    allow(rules, "/sys/devices/system/cpu", READ); /* the C library counts processors there */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        am_measure_set(measure, false, "%s", strerror(errno));
    else
        am_measure_set(measure, true, "version %ld", version);
    close(rules);
}
#else
void am_sandbox_files(struct am_sandbox *sandbox, const char *folder, const char *socket, const char *disk)
{
    (void)folder, (void)socket, (void)disk;
    am_measure_set(&sandbox->landlock, false, "built without linux/landlock.h");
}
#endif
