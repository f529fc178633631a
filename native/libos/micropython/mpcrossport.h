/* The compiler that runs on the host and compiles the library (mpy-cross): no runtime, bytecode only. */
#include "shared_config.h"

#define MICROPY_PERSISTENT_CODE_SAVE 1
#define MICROPY_PERSISTENT_CODE_SAVE_FILE 1
#define MICROPY_DYNAMIC_COMPILER 1
#define MICROPY_COMP_MODULE_CONST 1
#define MICROPY_COMP_TRIPLE_TUPLE_ASSIGN 1
#define MICROPY_COMP_RETURN_IF_EXPR 1
#define MICROPY_READER_POSIX 1
#define MICROPY_ENABLE_RUNTIME 0
#define MICROPY_ENABLE_GC 1
#define MICROPY_STACK_CHECK 1
#define MICROPY_HELPER_LEXER_UNIX 1
#define MICROPY_ENABLE_SOURCE_LINE 1
#define MICROPY_ENABLE_DOC_STRING 1
#define MICROPY_ERROR_REPORTING MICROPY_ERROR_REPORTING_DETAILED
#define MICROPY_CPYTHON_COMPAT 1
#define MICROPY_USE_INTERNAL_PRINTF 0
#define MICROPY_PY_FSTRINGS 1
#define MICROPY_PY___FILE__ 0
#define MICROPY_PY_ARRAY 0
#define MICROPY_PY_ATTRTUPLE 0
#define MICROPY_PY_COLLECTIONS 0
#define MICROPY_PY_MATH 0
#define MICROPY_PY_CMATH 0
#define MICROPY_PY_GC 0
#define MICROPY_PY_IO 0
#define MICROPY_PY_SYS 0

/* It has no exceptions of ours (exceptions.c). */
#define mp_type_RecursionError mp_type_RuntimeError
#define mp_type_ModuleNotFoundError mp_type_ImportError
#define mp_type_UnboundLocalError mp_type_NameError

#define MP_PLAT_PRINT_STRN(text, size) ((void)0)

typedef long mp_int_t;
typedef unsigned long mp_uint_t;
typedef long mp_off_t;
#include <alloca.h>
