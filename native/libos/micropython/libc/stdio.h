/* There are no files: what includes this wants the types. */
#ifndef NX_STDIO_H
#define NX_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#endif
