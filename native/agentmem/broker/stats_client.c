/* See stats_client.h. */
#include "stats_client.h"

#include "passing.h"
#include "wire_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int failed(const char *socket, const char *what)
{
    fprintf(stderr, "nexus-agentmemd: %s: %s\n", socket, what);
    return 1;
}

/* The answer's descriptor, or -1 with its text. */
static int answered(int fd, char *text, size_t room)
{
    struct { struct am_answer head; char text[1024]; } answer;
    union am_passing room_for_it;
    struct iovec part = {&answer, sizeof answer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &room_for_it,
                             .msg_controllen = sizeof room_for_it};
    const ssize_t bytes = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (bytes < (ssize_t)sizeof answer.head) {
        snprintf(text, room, "no answer: %s", bytes < 0 ? strerror(errno) : "it closed the connection");
        return -1;
    }
    const int given = am_passed(&message);
    if (given < 0)
        snprintf(text, room, "%.*s", (int)(bytes - (ssize_t)sizeof answer.head), answer.text);
    return given;
}

int am_stats_print(const char *path)
{
    const struct am_request request = {.operation = AM_OP_STATS, .flags = AM_TEXT, .sequence = 1};
    const struct timeval patience = {30, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[4096];
    if (strlen(path) >= sizeof address.sun_path)
        return failed(path, "too long a path for a socket");
    strcpy(address.sun_path, path);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(path, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0
        || send(fd, &request, sizeof request, MSG_NOSIGNAL) != sizeof request) {
        const int error = errno;
        close(fd);
        return failed(path, error == ENOENT || error == ECONNREFUSED ? "no broker answers; start "
                                                                       "nexus-agentmemd"
                                                                     : strerror(error));
    }
    const int given = answered(fd, text, sizeof text);
    close(fd);
    if (given < 0)
        return failed(path, text);
    ssize_t bytes;
    for (off_t at = 0; (bytes = pread(given, text, sizeof text, at)) > 0; at += bytes)
        fwrite(text, 1, (size_t)bytes, stdout);
    close(given);
    return fflush(stdout) == 0 ? 0 : 1;
}
