/* What an application of the LibOS may call. Include this and link nothing: `nexus unikernel build app.c`.
 *
 * Write an ordinary `int main(int argc, char **argv)`; argv are the words of the command line, argv[0] the image's
 * name. Its return value is the exit status. Only what is called is linked; `nexus unikernel explain` shows it.
 * One thread, no signals. Functions that can fail give a negative NX_E* (nx_abi.h) and change nothing then.
 * mem*, str* of <string.h> and the functions of <nx.h> are all the C library there is.
 */
#ifndef NX_H
#define NX_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "nx_abi.h"

/* Console. Output to 1 is buffered (4 KiB) and leaves when full, at exit, before a call that may wait, and by
 * nx_flush; output to 2 leaves at once, after what is buffered. */
void nx_write(int fd, const void *bytes, size_t size);
void nx_puts(const char *text); /* and a newline */
void nx_flush(void);
int nx_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int nx_snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int nx_vsnprintf(char *to, size_t size, const char *format, va_list args); /* d i u x X p c s f g %, l ll z, width, precision */
long nx_read(void *to, size_t size); /* standard input; 0 at its end */

/* Ends the guest. atexit does not exist. */
_Noreturn void nx_exit(int status);
_Noreturn void nx_panic(const char *why); /* says why on 2 and exits with 134 */

/* Time, in nanoseconds: a call of the host each. */
int64_t nx_now(void);       /* since 1970 */
int64_t nx_monotonic(void); /* since some moment */
void nx_sleep(int64_t nanoseconds);
int nx_random(void *to, size_t size);

/* Heap: blocks aligned to 16. NULL when memory is out. */
void *nx_alloc(size_t size);
void *nx_resize(void *block, size_t size);
void nx_free(void *block);
/* The same memory by whole pages, for those who have an allocator of their own. Not mixed with nx_alloc's order:
 * pages are never given back. */
void *nx_pages(size_t count);
size_t nx_memory_left(void); /* bytes not yet given out by nx_pages or to nx_alloc */

/* Read-only files that came with the guest. */
const void *nx_module(const char *name, size_t *size); /* NULL: there is none */
const char *nx_module_name(size_t index);              /* NULL after the last */

/* Files of the host that were granted. */
int nx_stat(const char *path, struct nx_stat *stat);
long nx_read_file(const char *path, uint64_t offset, void *to, size_t size);
long nx_list(const char *path, char *names, size_t size); /* bytes written: names, each followed by NUL */

/* A function of the host that was granted. JSON both ways; gives the reply's size. */
long nx_call_host(const char *request, size_t request_size, char *reply, size_t reply_size);

/* Block devices that were granted, numbered from 0. */
int nx_block_info(unsigned device, struct nx_block_info *info);
int nx_block_read(unsigned device, uint64_t sector, void *to, unsigned count);
int nx_block_write(unsigned device, uint64_t sector, const void *from, unsigned count);

/* Code to run next, for a guest that serves a pool: NULL-terminated in `to`. -NX_ENOENT: there is no more. */
long nx_fetch(int last_status, char *to, size_t size);

/* TCP over IPv4, by lwIP, on link 0 and on the loopback address. Blocking, with a time-out in milliseconds
 * (< 0: none). Addresses are host-order integers: 127.0.0.1 is 0x7f000001. Calling any of these links the stack.
 *
 *   -NX_EINVAL  not such a socket, port 0, or room for no byte   all but nx_close
 *   -NX_E2BIG   all 4 listening, 16 connected sockets are in use nx_listen, nx_connect
 *   -NX_EPERM   the port is taken                                nx_listen
 *   -NX_ENODEV  no link leads to the address                     nx_connect
 *   -NX_ENOENT  nobody listens there, or the peer has reset      nx_connect, nx_send, nx_receive
 *   -NX_EIO     not in time                                      nx_accept, nx_connect, nx_send, nx_receive */
int nx_listen(uint16_t port);                 /* a listening socket */
int nx_accept(int listening, int timeout_ms); /* a connected socket */
int nx_connect(uint32_t address, uint16_t port, int timeout_ms); /* a connected socket */
/* Bytes handed over: fewer than `size` where the time is over. They are sent also after nx_close. */
long nx_send(int socket, const void *bytes, size_t size, int timeout_ms);
long nx_receive(int socket, void *to, size_t size, int timeout_ms); /* bytes; 0: the peer has closed */
/* Closes a socket of either kind, and nothing where it is none. Waits until the peer has acknowledged what was
 * sent, at most 5 s. */
void nx_close(int socket);

/* The bare doorbell. `nx_ring` fills in and rings; the result is call->result. */
int64_t nx_ring(struct nx_call *call);

#endif
