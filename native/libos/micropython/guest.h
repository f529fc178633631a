/* What the parts of the port know of each other. Everything below runs on MicroPython's one stack and heap;
 * "raises" means a Python exception, by a long jump out of the function. */
#ifndef NX_GUEST_H
#define NX_GUEST_H

#include "py/mpprint.h"
#include "py/obj.h"

#include "nx.h"

/* heap.c: gives the collector its first memory. Panics where there is not even that. */
void nx_heap_start(void);

/* A buffer of NX_PAYLOAD_MAX bytes for one call's reply; whoever calls next overwrites it. Raises
 * MemoryError. */
char *nx_reply_buffer(void);

/* imports.c: a file that came with the guest, by the path `import` uses ("name.py", "lib/json.mpy"); NULL:
 * none. */
const char *nx_guest_file(const char *path, size_t *size);

/* sources.c: the text of each piece of code that was run, so that tracebacks can show it.
 * `nx_source_add` copies; the oldest are forgotten. `nx_source_line` gives line `number` (from 1) without its
 * end, or NULL. */
void nx_source_add(qstr name, const char *text, size_t size);
const char *nx_source_line(qstr name, size_t number, size_t *size);

/* traceback.c: an uncaught exception, as CPython shows it. */
void nx_print_exception(const mp_print_t *print, mp_obj_t exception);

/* streams.c */
extern const mp_print_t nx_stderr_print;
long nx_stdin_read(void *to, size_t size); /* through the buffer that sys.stdin reads by */
void nx_streams_start(void);               /* sys.stdin, sys.stdout and sys.stderr are the console again */

/* run.c: runs source text as __main__; gives the exit status. Prints what it raises. Never raises. */
int nx_run_source(qstr name, const char *text, size_t size);

/* Raises OSError, or the subclass that CPython has for the number (FileNotFoundError, ...). */
_Noreturn void nx_raise_os_error(int number, const char *path);

#endif
