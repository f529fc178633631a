#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char MAGIC[4] = {'N', 'X', 'H', '1'};

static int is_us(int descriptor)
{
#ifdef SO_PEERCRED
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
#else
    uid_t user;
    gid_t group;
    return getpeereid(descriptor, &user, &group) == 0 && user == geteuid();
#endif
}

/* The address of the socket. The kernel takes paths of 107 bytes; a longer one is named through
 * the folder's descriptor, where the system has /proc. */
static int address_of(const char *home, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path, sizeof address->sun_path, "%s/run/hook.sock", home);
    if (length < 0 || (size_t)length < sizeof address->sun_path)
        return length < 0 ? -1 : 0;
    char folder[4096];
    length = snprintf(folder, sizeof folder, "%s/run", home);
    if (length < 0 || (size_t)length >= sizeof folder)
        return -1;
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/hook.sock", descriptor);
    return 0;
}

int nx_service_connect(const char *home)
{
    struct sockaddr_un address;
    if (address_of(home, &address) != 0)
        return -1;
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0 || !is_us(descriptor)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static int send_all(int descriptor, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t n = write(descriptor, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int receive_all(int descriptor, void *data, size_t size)
{
    char *bytes = data;
    while (size > 0) {
        ssize_t n = read(descriptor, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int send_part(int descriptor, const char *data, size_t size)
{
    const unsigned char length[4] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                     (unsigned char)(size >> 8), (unsigned char)size};
    return send_all(descriptor, length, sizeof length) == 0 ? send_all(descriptor, data, size) : -1;
}

static int send_setting(int descriptor, const char *name)
{
    const char *value = getenv(name);
    return send_part(descriptor, value ? value : "", value ? strlen(value) : 0);
}

int nx_service_send(int descriptor, const char *event, size_t size)
{
    if (send_all(descriptor, MAGIC, sizeof MAGIC) != 0
        || send_setting(descriptor, "CLAUDE_CONFIG_DIR") != 0
        || send_setting(descriptor, "CODEX_HOME") != 0)
        return -1;
    return send_part(descriptor, event, size);
}

long nx_service_receive(int descriptor, char *out, size_t capacity)
{
    unsigned char length[4];
    if (receive_all(descriptor, length, sizeof length) != 0)
        return -1;
    size_t size = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    if (size > capacity || receive_all(descriptor, out, size) != 0)
        return -1;
    return (long)size;
}
