/* What the guest's MicroPython and the compiler that runs on the host (mpy-cross) must agree on, so that code
 * compiled by the one is run by the other. */
#define MICROPY_FLOAT_IMPL MICROPY_FLOAT_IMPL_DOUBLE
#define MICROPY_LONGINT_IMPL MICROPY_LONGINT_IMPL_MPZ
#define MICROPY_PY_BUILTINS_STR_UNICODE 1
#define MICROPY_QSTR_BYTES_IN_HASH 4
