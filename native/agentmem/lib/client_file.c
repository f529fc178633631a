/* Memory files: what large content is handed to the broker in.
 *
 * Does not know units or the broker. Invariants: a lack of memory is an error here, never a SIGBUS in who
 * writes; huge pages are used where the system lends them to shared memory (shmem_enabled) and asked for by
 * nobody else's knob.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

#include "client.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define HUGE (2u << 20)

int am_file_new(uint64_t length)
{
    int fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* a kernel before 6.3 */
        fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return am_client_fail(errno == ENOMEM ? AM_ENOMEM : AM_EFILES, "cannot make a memory file: %m");
    if (ftruncate(fd, (off_t)length) != 0) {
        close(fd);
        return am_client_fail(AM_ENOMEM, "cannot make a memory file of %llu bytes: %m",
                              (unsigned long long)length);
    }
    return fd;
}

static bool huge_pages(void)
{
    char line[96] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, line, sizeof line - 1) < 0)
        line[0] = '\0';
    if (fd >= 0)
        close(fd);
    return strchr(line, '[') != NULL && strstr(line, "[never]") == NULL && strstr(line, "[deny]") == NULL;
}

/* A writable mapping whose pages are there already: what there is no memory for is an error here, not a
 * SIGBUS. */
static uint8_t *map_for_writing(int fd, uint64_t length, bool huge)
{
    if (!huge && length > 0 && fallocate(fd, 0, 0, (off_t)length) != 0)
        return NULL;
    uint8_t *at = am_view_map_fd(fd, length, PROT_READ | PROT_WRITE, true);
    if (at != NULL && huge && length > 0 && madvise(at, length, MADV_POPULATE_WRITE) != 0
        && errno != EINVAL) {
        munmap(at, length);
        return NULL;
    }
    return at;
}

int am_file_fill(int fd, const uint8_t *data, uint64_t length)
{
    if (length >= HUGE && huge_pages()) {
        uint8_t *at = map_for_writing(fd, length, true);
        if (at == NULL)
            return am_client_fail(AM_ENOMEM, "no memory for %llu bytes of content",
                                  (unsigned long long)length);
        memcpy(at, data, length);
        munmap(at, length);
        return 0;
    }
    for (uint64_t done = 0; done < length;) {
        ssize_t n = pwrite(fd, data + done, length - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return am_client_fail(AM_ENOMEM, "no memory for %llu bytes of content: %m",
                                  (unsigned long long)length);
        done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

int am_file_seal(int fd)
{
    if (fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) /* by a publish that failed later */
        return 0;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return 0;
    return am_client_fail(AM_ESEALS, "the content cannot be sealed (%m); is it mapped writable somewhere?");
}

uint8_t *am_file_map(int fd, uint64_t length)
{
    return map_for_writing(fd, length, length >= HUGE && huge_pages());
}
