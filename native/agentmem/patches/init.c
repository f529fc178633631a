/* The first process of the machine that scripts/kernel/syscalls.sh boots: makes swap of the RAM disk, runs
 * the selftests in the order of /tests, and stops the machine.
 *
 * It does not know what they test. What it prints is TAP: one line a program, the program's own lines before
 * it, indented; then /proc/agent_stats as it is while there is an agent, itself. Invariant: "1..N" comes first,
 * and a last line "# end" comes only when each of the N has ended. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "/tests"
#define DISK "/dev/ram0"
#define ALLOC_SMU 500 /* agent_alloc_smu(type, data, size, metadata) */
#define SYSTEM_PROMPT 2

/* What mkswap writes: a header page that says how many pages follow (linux/swap.h, union swap_header). */
static bool make_swap(void)
{
    const int disk = open(DISK, O_RDWR);
    static unsigned char page[4096];
    if (disk < 0)
        return false;
    const off_t bytes = lseek(disk, 0, SEEK_END);
    const unsigned fields[] = {1, (unsigned)(bytes / 4096) - 1};
    memcpy(page + 1024, fields, sizeof fields);
    memcpy(page + 4086, "SWAPSPACE2", 10);
    const bool written = pwrite(disk, page, sizeof page, 0) == sizeof page && fsync(disk) == 0;
    return close(disk) == 0 && written && swapon(DISK, 0) == 0;
}

static int is_test(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Its exit status; 128 and the signal's number when one ended it. */
static int run(const char *name)
{
    char path[300], line[1024];
    int ends[2], status = 0;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    if (pipe(ends) != 0)
        return 127;
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl(path, path, (char *)NULL);
        perror(path);
        _exit(127);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    while (said && fgets(line, sizeof line, said))
        printf("    %s", line);
    if (said)
        fclose(said);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Each line behind a mark, by which scripts/kernel/stats.py finds it. */
static void tell_figures(void)
{
    static const char prompt[] = "You are the first process.";
    if (syscall(ALLOC_SMU, SYSTEM_PROMPT, prompt, sizeof prompt, NULL) < 0)
        perror("# agent_alloc_smu");
    FILE *file = fopen("/proc/agent_stats", "r");
    char line[512];
    while (file && fgets(line, sizeof line, file))
        printf("# agent_stats| %s", line);
    if (file)
        fclose(file);
}

int main(void)
{
    struct dirent **tests = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    if (mount("proc", "/proc", "proc", 0, NULL) != 0 || mount("dev", "/dev", "devtmpfs", 0, NULL) != 0)
        perror("# mount");
    if (!make_swap())
        perror("# no swap: " DISK);
    const int count = scandir(FOLDER, &tests, is_test, alphasort);
    printf("TAP version 13\n1..%d\n", count < 0 ? 0 : count);
    for (int i = 0; i < count; i++) {
        const int status = run(tests[i]->d_name);
        printf("%s %d - %s", status ? "not ok" : "ok", i + 1, tests[i]->d_name);
        printf(status ? " # exit status %d\n" : "\n", status);
        free(tests[i]);
    }
    free(tests);
    tell_figures();
    printf("# end\n");
    fflush(stdout);
    sync();
    reboot(LINUX_REBOOT_CMD_RESTART);
    return 1;
}
