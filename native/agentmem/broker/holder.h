/* The memfds that must outlive a broker process, kept by its supervisor: what there is, and how it is told.
 *
 * The broker sends one packet for each memfd that it makes (with the descriptor) or gives up, over a socket
 * pair that it shares with its supervisor; a new broker is forked from the supervisor and has all of them.
 * The holder knows nothing of what is in them. Invariant: each (kind, realm, number, generation) is held at
 * most once.
 */
#ifndef AM_HOLDER_H
#define AM_HOLDER_H

#include "store.h"

#include <stdbool.h>
#include <stddef.h>

enum am_told { AM_TOLD_KEEP = 1, AM_TOLD_LET_GO, AM_TOLD_READY };

struct am_holder { struct am_kept_fd *kept; size_t count, room, refused; };

bool am_kept_same(const struct am_kept *a, const struct am_kept *b);

/* The supervisor's side. Reads one packet: 0 nothing there, -1 the other end is closed, else what it was. */
int am_holder_receive(struct am_holder *holder, int line);
void am_holder_drop_all(struct am_holder *holder); /* closes every descriptor */

/* The broker's side. false: the supervisor did not take it (it has gone, or has no descriptors left). */
bool am_holder_tell(int line, enum am_told told, const struct am_kept *what, int fd);

#endif
