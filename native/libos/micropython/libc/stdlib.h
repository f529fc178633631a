/* There is no malloc beside the collected heap. */
#ifndef NX_STDLIB_H
#define NX_STDLIB_H

#include <stddef.h>

_Noreturn void abort(void);

#endif
