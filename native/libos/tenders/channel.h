/* Frames over the channel, the socket to the process that started this one: a request and its reply, or a
 * fault.
 *
 * Partial reads and writes and interrupted calls are gone on with. Knows nothing of the operations' meaning. */
#ifndef NX_CHANNEL_H
#define NX_CHANNEL_H

#include "nx_abi.h"

#include <stddef.h>

#define NX_CHANNEL 3

/* All of the bytes. Returns 0, or a negative error number; -NX_EIO where the other end is closed. */
int nx_send(int fd, const void *bytes, size_t size);
int nx_receive(int fd, void *bytes, size_t size);

/* Asks for call->op with `in` (call->in_len bytes), and puts the answer into `out` (call->out_cap bytes),
 * call->result and call->out_len. Both sizes are at most NX_PAYLOAD_MAX. Returns NULL, or why the channel is
 * of no use any more. */
const char *nx_forward(int channel, struct nx_call *call, const void *in, void *out);

/* Says why the guest is ended. Nothing comes back, and a channel that does not work is no matter. */
void nx_tell_fault(int channel, uint32_t kind, uint64_t ip, uint64_t address);

#endif
