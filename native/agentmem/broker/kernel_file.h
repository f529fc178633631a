/* Small files that the kernel makes as they are read: of /proc and of control groups. Whole, into the
 * caller's room, without allocating. */
#ifndef AM_KERNEL_FILE_H
#define AM_KERNEL_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* The text, ended with 0 and cut to the room; its bytes, or -1 with errno. */
ssize_t am_kernel_file(const char *path, char *text, size_t room);

#endif
