/* Giving back what is mapped of files. After use most of it is never read again, and what is comes
 * back from the kernel's file cache. */
#include "nexus_platform.h"

#include <errno.h>
#include <string.h>

#ifdef __linux__
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bits of a word of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_FILE (UINT64_C(1) << 61)

enum { AT_ONCE = 512 };

struct task {
    int pagemap;
    uintptr_t page;
    uintptr_t vdso;
    size_t released;
};

/* Drop the pages `from` .. `to`, except those that are this process's own copies. */
static void release_pages(struct task *task, uintptr_t from, uintptr_t to)
{
    uint64_t words[AT_ONCE];
    while (from < to) {
        size_t count = (to - from) / task->page;
        count = count < AT_ONCE ? count : AT_ONCE;
        ssize_t got = pread(task->pagemap, words, count * sizeof *words,
                            (off_t)(from / task->page * sizeof *words));
        if (got < (ssize_t)sizeof *words)
            return;
        count = (size_t)got / sizeof *words;
        for (size_t i = 0; i < count;) {
            size_t first = i, held = 0;
            /* A page that somebody wrote to (a debugger, a tracer, a loader that moves code) is no
             * longer the file's, and would be lost. */
            while (i < count && !(words[i] & SWAPPED) && !((words[i] & PRESENT) && !(words[i] & OF_FILE)))
                held += (words[i++] & PRESENT) != 0;
            if (held != 0 &&
                madvise((void *)(from + first * task->page), (i - first) * task->page, MADV_DONTNEED) == 0)
                task->released += held * task->page;
            if (i < count)
                i++;
        }
        from += count * task->page;
    }
}

static bool relocates_code(const struct dl_phdr_info *object)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_DYNAMIC)
            continue;
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++)
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
                return true;
    }
    return false;
}

/* Called with the loader's lock held: no object can go while it is looked at. */
static int release_object(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    struct task *task = data;
    if (relocates_code(object))
        return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0)
            continue;
        uintptr_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
        if (task->vdso >= start && task->vdso < end)
            continue; /* the kernel's own, of no file */
        /* Only whole pages: what shares one with a neighbour may be written to. */
        start = (start + task->page - 1) / task->page * task->page;
        release_pages(task, start, end / task->page * task->page);
    }
    return 0;
}

static int begin(struct task *task)
{
    *task = (struct task){.page = (uintptr_t)sysconf(_SC_PAGESIZE), .vdso = getauxval(AT_SYSINFO_EHDR)};
    task->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return task->pagemap < 0 ? errno : 0;
}

int nx_release_libraries(size_t *released)
{
    int kept = errno;
    struct task task;
    int failed = begin(&task);
    if (!failed) {
        dl_iterate_phdr(release_object, &task);
        close(task.pagemap);
    }
    *released = task.released;
    errno = kept;
    return failed;
}

/* One line of /proc/self/maps: "from-to rwxs offset device inode    path". */
static void release_line(struct task *task, const char *line, const char *folder, const char *except)
{
    size_t length = strlen(folder), left_alone = strlen(except);
    char *rest;
    uintptr_t from = strtoumax(line, &rest, 16);
    uintptr_t to = *rest == '-' ? strtoumax(rest + 1, &rest, 16) : 0;
    const char *path = strchr(rest, '/');
    /* Of a private mapping the process may hold changes that are nowhere else. */
    if (from < to && rest[0] == ' ' && strnlen(rest, 5) == 5 && rest[4] == 's' && path != NULL &&
        strncmp(path, folder, length) == 0 && path[length] == '/' &&
        (left_alone == 0 || strncmp(strrchr(path, '/') + 1, except, left_alone) != 0))
        release_pages(task, from, to);
}

int nx_release_files(const char *folder, const char *except, size_t *released)
{
    int kept = errno;
    struct task task;
    int failed = begin(&task);
    if (!failed) {
        int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
        failed = maps < 0 ? errno : 0;
        char text[2 * 4096];
        size_t held = 0;
        bool too_long = false; /* the line that is being read does not fit, so it is none of ours */
        ssize_t got;
        while (!failed && (got = read(maps, text + held, sizeof text - 1 - held)) > 0) {
            held += (size_t)got;
            text[held] = '\0';
            char *line = text, *end;
            while ((end = strchr(line, '\n')) != NULL) {
                *end = '\0';
                if (!too_long)
                    release_line(&task, line, folder, except);
                too_long = false;
                line = end + 1;
            }
            held -= (size_t)(line - text);
            memmove(text, line, held);
            if (held == sizeof text - 1) {
                too_long = true;
                held = 0;
            }
        }
        if (maps >= 0)
            close(maps);
        close(task.pagemap);
    }
    *released = task.released;
    errno = kept;
    return failed;
}
#else
int nx_release_libraries(size_t *released)
{
    *released = 0;
    return ENOTSUP;
}

int nx_release_files(const char *folder, const char *except, size_t *released)
{
    (void)folder;
    (void)except;
    *released = 0;
    return ENOTSUP;
}
#endif
