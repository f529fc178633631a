/* See folder.h. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_TRIES 20
#define LOCK_WAIT_US 50000

__attribute__((format(printf, 2, 3))) static int wrong(char *error, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(error, AM_ERROR, format, values);
    va_end(values);
    return -1;
}

int am_folder_make(const char *path, char error[AM_ERROR])
{
    char part[PATH_MAX];
    const size_t bytes = strlen(path);
    if (bytes >= sizeof part)
        return wrong(error, "a path of %zu bytes; at most %d are allowed", bytes, PATH_MAX - 1);
    memcpy(part, path, bytes + 1);
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = 0;
            if (mkdir(part, 0700) != 0 && errno != EEXIST)
                return wrong(error, "%s: cannot make the folder: %s", part, strerror(errno));
            *at = '/';
        }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return wrong(error, "%s: cannot make the folder: %s", path, strerror(errno));
    struct stat is;
    if (stat(path, &is) != 0 || !S_ISDIR(is.st_mode))
        return wrong(error, "%s: not a folder", path);
    if (is.st_uid != geteuid())
        return wrong(error, "%s belongs to user %u, not to %u; give another path", path, is.st_uid,
                     geteuid());
    if (is.st_mode & 077)
        return wrong(error, "%s is open to others (mode %04o); chmod 700 %s", path, is.st_mode & 07777, path);
    return 0;
}

static int locked(const char *path, const char *what, char *error)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return wrong(error, "%s: %s", path, strerror(errno));
    /* A broker that was killed a moment ago may still be on its way out. */
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(LOCK_WAIT_US);
    }
    close(fd);
    return wrong(error, "another broker has %s (it holds the lock %s); end it, or give another path", what,
                 path);
}

int am_folder_lock(const char *folder, char error[AM_ERROR])
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/lock", folder) >= sizeof path)
        return wrong(error, "%s: too long a path", folder);
    return locked(path, folder, error);
}

static int read_secret(const char *path, uint8_t secret[32], char *error)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 1 : wrong(error, "%s: %s", path, strerror(errno));
    struct stat is;
    const ssize_t bytes = read(fd, secret, 32);
    const int known = fstat(fd, &is);
    close(fd);
    if (known != 0 || bytes != 32 || is.st_size != 32)
        return wrong(error,
                     "%s has not 32 bytes: without the secret that was there, what the cold log holds cannot "
                     "be found; restore it, or remove it together with the folder's cold log",
                     path);
    if (is.st_uid != geteuid() || (is.st_mode & 077))
        return wrong(error, "%s may be read by others (user %u, mode %04o); chmod 600 it", path, is.st_uid,
                     is.st_mode & 07777);
    return 0;
}

int am_folder_secret(const char *folder, uint8_t secret[32], char error[AM_ERROR])
{
    char path[PATH_MAX], fresh[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/secret", folder) >= sizeof path
        || (size_t)snprintf(fresh, sizeof fresh, "%s/secret.new", folder) >= sizeof fresh)
        return wrong(error, "%s: too long a path", folder);
    const int there = read_secret(path, secret, error);
    if (there != 1)
        return there;
    if (getrandom(secret, 32, 0) != 32)
        return wrong(error, "no random bytes: %s", strerror(errno));
    unlink(fresh); /* of a broker that died here; the folder's lock is held */
    const int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return wrong(error, "%s: %s", fresh, strerror(errno));
    const int written = write(fd, secret, 32) == 32 && fsync(fd) == 0;
    close(fd);
    if (!written || rename(fresh, path) != 0)
        return wrong(error, "%s: cannot be written: %s", path, strerror(errno));
    const int above = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) {
        fsync(above);
        close(above);
    }
    return 0;
}

int am_folder_journal(const char *folder, char error[AM_ERROR])
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/agentmemd.log", folder) >= sizeof path)
        return wrong(error, "%s: too long a path", folder);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? wrong(error, "%s: %s", path, strerror(errno)) : fd;
}

static int answers(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 1;
    const int refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0
                        && (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !refused;
}

int am_folder_listen(const char *path, int *lock, char error[AM_ERROR])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char above[PATH_MAX], beside[PATH_MAX];
    if (strlen(path) >= sizeof address.sun_path)
        return wrong(error, "%s: a socket's path has at most %zu bytes", path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    strcpy(above, path);
    if (am_folder_make(dirname(above), error) != 0)
        return -1;
    snprintf(beside, sizeof beside, "%s.lock", path);
    *lock = locked(beside, path, error);
    if (*lock < 0)
        return -1;
    struct stat is;
    if (lstat(path, &is) == 0) {
        if (!S_ISSOCK(is.st_mode))
            return wrong(error, "%s is there and is not a socket; move it away, or give another path", path);
        if (answers(&address))
            return wrong(error, "another program answers at %s; end it, or give another path", path);
        unlink(path);
    }
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return wrong(error, "no socket: %s", strerror(errno));
    const mode_t before = umask(0177); /* never open to others, not even between bind and chmod */
    const int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound != 0 || listen(fd, SOMAXCONN) != 0) {
        wrong(error, "%s: cannot listen: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}
