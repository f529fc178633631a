/* Counts what does not hold, and says where. A test's main returns `failures > 0`. */
#ifndef LIBOS_CHECK_H
#define LIBOS_CHECK_H

#include <stdio.h>

static int failures;

#define CHECK(what) ((what) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #what)))

#endif
