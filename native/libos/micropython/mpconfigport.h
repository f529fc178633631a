/* What our MicroPython has: as much of Python as helps programs written for CPython, and nothing of hardware,
 * files or networks (those are `_host`'s). Options not named here are those of the level "extra features".
 * The host's mpy-cross reads mpcrossport.h instead; what both must agree on is in shared_config.h. */
#include "shared_config.h"

#define NX_GUEST 1

#define MICROPY_CONFIG_ROM_LEVEL MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES

/* Compiler and virtual machine. */
#define MICROPY_ENABLE_COMPILER 1
#define MICROPY_PERSISTENT_CODE_LOAD 1
#define MICROPY_HAS_FILE_READER 1
#define MICROPY_VFS_ROM 1 /* only for its sake: code of a library is run where it lies */
#define MICROPY_VFS_ROM_IOCTL 0
#define MICROPY_OPT_COMPUTED_GOTO 1
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE 256
#define MICROPY_ENABLE_DOC_STRING 1
#define MICROPY_ERROR_REPORTING MICROPY_ERROR_REPORTING_DETAILED
#define MICROPY_WARNINGS 0
#define MICROPY_ENABLE_SCHEDULER 0
#define MICROPY_KBD_EXCEPTION 0
#define MICROPY_HELPER_REPL 0
#define MICROPY_STACK_CHECK 1
#define MICROPY_STACK_CHECK_MARGIN (64 * 1024) /* C code between two checks needs less */
#define MICROPY_USE_INTERNAL_ERRNO 1
#define MICROPY_USE_INTERNAL_PRINTF 0

/* Memory: a small heap that grows (heap.c). */
#define MICROPY_ENABLE_GC 1
#define MICROPY_ENABLE_FINALISER 0
#define MICROPY_GC_SPLIT_HEAP 1
#define MICROPY_GC_SPLIT_HEAP_AUTO 1
#define MICROPY_GC_ALLOC_THRESHOLD 1
#define MICROPY_ALLOC_GC_STACK_SIZE 512
#define MICROPY_ALLOC_QSTR_CHUNK_INIT 512
#define MICROPY_PY_GC_COLLECT_RETVAL 1
void *nx_gc_memory(unsigned long size);
#define MP_PLAT_ALLOC_HEAP(size) nx_gc_memory(size)

/* Language and builtins. */
#define MICROPY_FLOAT_HIGH_QUALITY_HASH 1
#define MICROPY_PY_FUNCTION_ATTRS_CODE 1
#define MICROPY_PY_ALL_INPLACE_SPECIAL_METHODS 1
#define MICROPY_PY_BUILTINS_MEMORYVIEW_ITEMSIZE 1
#define MICROPY_PY_BUILTINS_RANGE_BINOP 1
#define MICROPY_PY_BUILTINS_INPUT 0 /* ours: streams.c */
#define MICROPY_PY_BUILTINS_HELP 0
#define MICROPY_PY_BUILTINS_EXECFILE 0
#define MICROPY_MODULE_BUILTIN_SUBPACKAGES 1
#define MICROPY_COMP_ALLOW_TOP_LEVEL_AWAIT 0
#define MICROPY_STREAMS_NON_BLOCK 0

/* Modules. */
#define MICROPY_PY_SYS_PLATFORM "nexus"
#define MICROPY_PLATFORM_COMPILER "gcc"
#define MICROPY_PY_SYS_STDFILES 1
#define MICROPY_PY_SYS_STDIO_BUFFER 0
#define MICROPY_PY_SYS_EXC_INFO 1
#define MICROPY_PY_SYS_INTERN 1
#define MICROPY_PY_SYS_GETSIZEOF 1
#define MICROPY_PY_SYS_PS1_PS2 0
#define MICROPY_PY_SYS_ATEXIT 1
#define MICROPY_PY_SYS_TRACEBACKLIMIT 0
#define MICROPY_PY_SYS_PATH_ARGV_DEFAULTS 0
#define MICROPY_PY_COLLECTIONS_NAMEDTUPLE__ASDICT 1
#define MICROPY_PY_MICROPYTHON_MEM_INFO 0
#define MICROPY_PY_MICROPYTHON_RINGIO 0
#define MICROPY_PY_RE_MATCH_GROUPS 1
#define MICROPY_PY_RE_MATCH_SPAN_START_END 1
#define MICROPY_PY_RE_SUB 1
#define MICROPY_PY_DEFLATE_COMPRESS 1
#define MICROPY_PY_HASHLIB_SHA256 1
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC (nx_random_seed())
unsigned long nx_random_seed(void);
#define MICROPY_PY_ASYNCIO 1
#define MICROPY_PY_SELECT 0
#define MICROPY_PY_TIME 0
#define MICROPY_PY_OS 0
#define MICROPY_PY_MACHINE 0
#define MICROPY_PY_FRAMEBUF 0
#define MICROPY_PY_UCTYPES 0
#define MICROPY_PY_PLATFORM 0
#define MICROPY_PY_CRYPTOLIB 0
#define MICROPY_PY_SSL 0
#define MICROPY_PY_VFS 0
#define MICROPY_VFS 0

/* Builtins of ours. */
#include "exceptions.h"
extern const struct _mp_obj_fun_builtin_var_t mp_builtin_input_obj, nx_format_obj, nx_vars_obj, nx_round_obj;
extern const struct _mp_obj_fun_builtin_var_t nx_star_list_obj, nx_star_tuple_obj, nx_star_set_obj,
    nx_star_dict_obj;
extern const struct _mp_obj_fun_builtin_fixed_t nx_star_annotate_obj, nx_star_document_obj, nx_ascii_obj;
#define MICROPY_PORT_BUILTINS \
    NX_EXCEPTIONS(NX_BUILTIN_EXCEPTION) \
    {MP_ROM_QSTR(MP_QSTR_IOError), MP_ROM_PTR(&mp_type_OSError)}, \
    {MP_ROM_QSTR(MP_QSTR_EnvironmentError), MP_ROM_PTR(&mp_type_OSError)}, \
    {MP_ROM_QSTR(MP_QSTR_input), MP_ROM_PTR(&mp_builtin_input_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_ascii), MP_ROM_PTR(&nx_ascii_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_format), MP_ROM_PTR(&nx_format_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_round), MP_ROM_PTR(&nx_round_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_vars), MP_ROM_PTR(&nx_vars_obj)}, \
    {MP_ROM_QSTR(MP_QSTR___debug__), MP_ROM_TRUE}, \
    {MP_ROM_QSTR(MP_QSTR__star_list), MP_ROM_PTR(&nx_star_list_obj)}, \
    {MP_ROM_QSTR(MP_QSTR__star_tuple), MP_ROM_PTR(&nx_star_tuple_obj)}, \
    {MP_ROM_QSTR(MP_QSTR__star_set), MP_ROM_PTR(&nx_star_set_obj)}, \
    {MP_ROM_QSTR(MP_QSTR__star_dict), MP_ROM_PTR(&nx_star_dict_obj)}, \
    {MP_ROM_QSTR(MP_QSTR__star_annotate), MP_ROM_PTR(&nx_star_annotate_obj)}, \
    {MP_ROM_QSTR(MP_QSTR__star_document), MP_ROM_PTR(&nx_star_document_obj)},

#define MICROPY_HW_BOARD_NAME "nexus"
#define MICROPY_HW_MCU_NAME "x86-64"
#define MP_STATE_PORT MP_STATE_VM
#define MP_SSIZE_MAX 0x7fffffffffffffffL
#define MICROPY_OBJ_BASE_ALIGNMENT __attribute__((aligned(8)))

void nx_write(int fd, const void *bytes, unsigned long size);
#define MP_PLAT_PRINT_STRN(text, size) nx_write(1, text, size)

typedef long mp_int_t;
typedef unsigned long mp_uint_t;
typedef long mp_off_t;
#include <alloca.h>
