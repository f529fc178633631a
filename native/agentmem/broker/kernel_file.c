/* See kernel_file.h. */
#include "kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t am_kernel_file(const char *path, char *text, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const ssize_t bytes = read(fd, text, room - 1);
    const int error = errno;
    close(fd);
    errno = error;
    if (bytes >= 0)
        text[bytes] = 0;
    return bytes;
}
