/* nexus-pageout: the memory of other processes out to swap, and back.
 *
 *   nexus-pageout out KIB PID:START...   page out everything private of these processes. Before it, what is
 *                                        resident is printed, at most KIB of it: "PID:START FIRST END", in
 *                                        hexadecimal. KIB 0 prints none.
 *   nexus-pageout in                     reads such lines from stdin and asks for these pages.
 *
 * Exit status: 0 done, 1 used wrongly, 3 not allowed (needs CAP_SYS_NICE and the right to read the process).
 * A process that has ended meanwhile is no error.
 *
 * A program of its own, and small, because the kernel wants CAP_SYS_NICE for this even among processes of one
 * user: this file alone can be given the right (setcap cap_sys_nice=ep), never a whole Python. It can do no
 * more than it says: nothing is read of a process but which of its pages are resident, and the kernel itself
 * refuses processes of others (PTRACE_MODE_READ). START, the process's start in ticks after boot, keeps a
 * process id that was given away anew from being mistaken.
 *
 * Knows nothing of agents. Invariant: no process is stopped, none loses a byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EXIT_USAGE = 1, EXIT_NOT_ALLOWED = 3 };
/* One call to the kernel, so that this program can be ended between two. */
#define PIECE (UINT64_C(32) << 20)
/* Pages that are not resident between two that are: asking for them too costs less than another line. */
#define GAP_PAGES 4
/* Reservations larger than this are not looked through page by page (8 bytes each); they are paged out. */
#define LOOKED_THROUGH (UINT64_C(8) << 30)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define ENTRIES 4096

struct process { int pid; uint64_t start; int pidfd; };
struct area { uint64_t first, end; bool small; };

static uint64_t page_size;

/* When the process began; 0 where there is none. */
static uint64_t started(int pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0)
        return 0;
    text[length] = 0;
    /* The name in brackets may hold anything, brackets too. */
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

/* Hold on to "PID:START". False where that process has ended. */
static bool hold(const char *word, struct process *process)
{
    if (sscanf(word, "%d:%" SCNu64, &process->pid, &process->start) != 2)
        return false;
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd < 0)
        return false;
    /* From here on the pid cannot be given away without the pidfd telling so. */
    if (started(process->pid) == process->start)
        return true;
    close(process->pidfd);
    return false;
}

/* False where it is not allowed at all. Refusals of single areas (locked, special) are none. */
static bool advise(const struct process *process, uint64_t first, uint64_t end, int advice)
{
    while (first < end) {
        uint64_t length = end - first < PIECE ? end - first : PIECE;
        struct iovec piece = {(void *)(uintptr_t)first, length};
        if (syscall(SYS_process_madvise, process->pidfd, &piece, 1UL, advice, 0U) < 0) {
            if (errno == EPERM)
                return false;
            if (errno == ESRCH)
                return true;
        }
        first += length;
    }
    return true;
}

/* The next private area of the process; false at the end. */
static bool next_area(FILE *maps, struct area *area)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (!found && getline(&line, &room, maps) > 0) {
        char rights[5] = "", path[16] = "";
        uint64_t inode = 0;
        int count = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64 " %15s", &area->first,
                           &area->end, rights, &inode, path);
        if (count < 4 || rights[3] != 'p' || (rights[0] != 'r' && rights[1] != 'w'))
            continue;
        if (!strncmp(path, "[v", 2)) /* vdso, vvar, vsyscall belong to the kernel */
            continue;
        area->small = inode != 0 || path[0] == '[';
        found = true;
    }
    free(line);
    return found;
}

/* Print what of the area is resident, until *left bytes are told. */
static void tell(const struct process *process, int pagemap, const struct area *area, uint64_t *left)
{
    uint64_t entries[ENTRIES], first = 0, end = 0;
    uint64_t pages = (area->end - area->first) / page_size;
    if (area->end - area->first > LOOKED_THROUGH)
        return;
    for (uint64_t done = 0; done < pages;) {
        uint64_t want = pages - done < ENTRIES ? pages - done : ENTRIES;
        off_t where = (off_t)((area->first / page_size + done) * sizeof *entries);
        ssize_t got = pread(pagemap, entries, want * sizeof *entries, where);
        if (got < (ssize_t)sizeof *entries)
            break;
        for (uint64_t i = 0; i < (uint64_t)got / sizeof *entries && *left >= page_size; i++) {
            uint64_t page = area->first + (done + i) * page_size;
            if (!(entries[i] & PAGEMAP_PRESENT))
                continue;
            if (end && page > end + GAP_PAGES * page_size) {
                printf("%d:%" PRIu64 " %" PRIx64 " %" PRIx64 "\n", process->pid, process->start, first, end);
                end = 0;
            }
            first = end ? first : page;
            end = page + page_size;
            *left -= page_size;
        }
        done += (uint64_t)got / sizeof *entries;
    }
    if (end)
        printf("%d:%" PRIu64 " %" PRIx64 " %" PRIx64 "\n", process->pid, process->start, first, end);
}

/* What is resident, the areas first that every step of a program needs: stacks, heap, data of libraries. */
static void tell_all(const struct process *process, FILE *maps, uint64_t *left)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", process->pid);
    int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return;
    for (int round = 0; round < 2 && *left >= page_size; round++) {
        struct area area;
        rewind(maps);
        while (*left >= page_size && next_area(maps, &area))
            if (area.small == (round == 0))
                tell(process, pagemap, &area, left);
    }
    close(pagemap);
}

static int out(int count, char **words)
{
    uint64_t left = strtoull(words[0], NULL, 10) << 10;
    int status = 0;
    for (int i = 1; i < count; i++) {
        struct process process;
        char path[64];
        if (!hold(words[i], &process))
            continue;
        snprintf(path, sizeof path, "/proc/%d/maps", process.pid);
        FILE *maps = fopen(path, "re");
        if (!maps) {
            status = errno == EACCES || errno == EPERM ? EXIT_NOT_ALLOWED : status;
        } else {
            struct area area;
            if (left)
                tell_all(&process, maps, &left);
            rewind(maps);
            while (next_area(maps, &area))
                if (!advise(&process, area.first, area.end, MADV_PAGEOUT)) {
                    status = EXIT_NOT_ALLOWED;
                    break;
                }
            fclose(maps);
        }
        close(process.pidfd);
    }
    return fflush(stdout) ? EXIT_USAGE : status;
}

static int in(void)
{
    char line[160], word[64], held[64] = "";
    struct process process = {.pidfd = -1};
    int status = 0;
    while (fgets(line, sizeof line, stdin)) {
        uint64_t first, end;
        if (sscanf(line, "%63s %" SCNx64 " %" SCNx64, word, &first, &end) != 3 || first >= end)
            return EXIT_USAGE;
        if (strcmp(word, held) != 0) {
            if (process.pidfd >= 0)
                close(process.pidfd);
            if (!hold(word, &process))
                process.pidfd = -1;
            memcpy(held, word, sizeof held);
        }
        if (process.pidfd >= 0 && !advise(&process, first, end, MADV_WILLNEED))
            status = EXIT_NOT_ALLOWED;
    }
    return status;
}

int main(int count, char **words)
{
    page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    if (count >= 4 && !strcmp(words[1], "out"))
        return out(count - 2, words + 2);
    if (count == 2 && !strcmp(words[1], "in"))
        return in();
    fprintf(stderr, "usage: nexus-pageout out KIB PID:START... | nexus-pageout in\n");
    return EXIT_USAGE;
}
