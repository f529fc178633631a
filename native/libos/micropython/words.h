/* Errors of the interpreter in CPython's words. Each raises TypeError. Called from MicroPython's own source. */
#ifndef NX_WORDS_H
#define NX_WORDS_H

#include "py/objfun.h"

NORETURN void nx_raise_unary(mp_unary_op_t op, mp_obj_t value);
NORETURN void nx_raise_binary(mp_binary_op_t op, mp_obj_t left, mp_obj_t right);

/* More positional arguments than `most`, of which `optional` have a default. */
NORETURN void nx_raise_too_many(mp_obj_fun_bc_t *function, size_t most, size_t optional, size_t given);

/* Parameters without an argument: those of `count` from number `first` on whose `values[-number]` is
 * MP_OBJ_NULL. `names`: the function's code at its name. */
NORETURN void nx_raise_missing(mp_obj_fun_bc_t *function, const uint8_t *names, const mp_obj_t *values,
                               size_t first, size_t count, const char *kind);

/* An argument by name that is unknown, or given already: `what` is the text before the name. */
NORETURN void nx_raise_keyword(mp_obj_fun_bc_t *function, const char *what, qstr name);

#endif
