#ifndef NX_ALLOCA_H
#define NX_ALLOCA_H

#define alloca(size) __builtin_alloca(size)

#endif
