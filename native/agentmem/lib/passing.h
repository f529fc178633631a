/* One descriptor that travels with a packet of a Unix socket (SCM_RIGHTS), out and in.
 *
 * Knows nothing of packets. A message of ours carries at most one; the kernel gives no more than there is room
 * for and says so (MSG_CTRUNC), which whoever must tell the two apart looks at itself.
 */
#ifndef AM_PASSING_H
#define AM_PASSING_H

#include <string.h>
#include <sys/socket.h>

union am_passing { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; };

/* The room must last as long as the message. fd -1: none goes along. */
static inline void am_pass(struct msghdr *message, union am_passing *room, int fd)
{
    if (fd < 0)
        return;
    memset(room, 0, sizeof *room);
    message->msg_control = room;
    message->msg_controllen = sizeof *room;
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

/* The descriptor that came, now the caller's; -1: none. Only after recvmsg has succeeded. */
static inline int am_passed(struct msghdr *message)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd = -1;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

#endif
