/* See holder.h. */
#include "holder.h"

#include "passing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet { uint32_t told; struct am_kept what; };

bool am_kept_same(const struct am_kept *a, const struct am_kept *b)
{
    return a->kind == b->kind && a->realm == b->realm && a->number == b->number
           && a->generation == b->generation;
}

/* Swaps with the last: order means nothing here. */
static void let_go(struct am_holder *holder, const struct am_kept *what)
{
    for (size_t i = 0; i < holder->count; i++)
        if (am_kept_same(&holder->kept[i].what, what)) {
            close(holder->kept[i].fd);
            holder->kept[i] = holder->kept[--holder->count];
            return;
        }
}

static void keep(struct am_holder *holder, const struct am_kept *what, int fd)
{
    let_go(holder, what);
    if (fd >= 0 && holder->count == holder->room) {
        const size_t room = holder->room ? 2 * holder->room : 64;
        struct am_kept_fd *more = realloc(holder->kept, room * sizeof *more);
        if (more) {
            holder->kept = more;
            holder->room = room;
        }
    }
    if (fd < 0 || holder->count == holder->room) {
        /* The broker goes on; this memfd would not outlive it, and the store finds that out by what is
         * missing. */
        holder->refused++;
        if (fd >= 0)
            close(fd);
        return;
    }
    holder->kept[holder->count++] = (struct am_kept_fd){*what, fd};
}

int am_holder_receive(struct am_holder *holder, int line)
{
    struct packet packet;
    union am_passing room;
    struct iovec part = {&packet, sizeof packet};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &room,
                             .msg_controllen = sizeof room};
    ssize_t bytes;
    do
        bytes = recvmsg(line, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (bytes != sizeof packet)
        return -1;
    const int fd = am_passed(&message);
    if (packet.told == AM_TOLD_KEEP)
        keep(holder, &packet.what, fd);
    else if (packet.told == AM_TOLD_LET_GO)
        let_go(holder, &packet.what);
    return (int)packet.told;
}

void am_holder_drop_all(struct am_holder *holder)
{
    for (size_t i = 0; i < holder->count; i++)
        close(holder->kept[i].fd);
    free(holder->kept);
    *holder = (struct am_holder){0};
}

bool am_holder_tell(int line, enum am_told told, const struct am_kept *what, int fd)
{
    struct packet packet = {.told = told};
    union am_passing room;
    struct iovec part = {&packet, sizeof packet};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (what)
        packet.what = *what;
    am_pass(&message, &room, fd);
    /* Waits when the line is full: a memfd that was not handed over would be lost with this process. */
    ssize_t sent;
    do
        sent = sendmsg(line, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == sizeof packet;
}
