/* Exceptions that CPython has and MicroPython lacks, so that `except` clauses written for CPython work. */
#include "py/objexcept.h"
#include "py/runtime.h"

#include "exceptions.h"
#include "guest.h"

NX_EXCEPTIONS(MP_DEFINE_EXCEPTION)

static const struct {
    int number;
    const mp_obj_type_t *type;
} of_numbers[] = {
    {1, &mp_type_PermissionError}, {2, &mp_type_FileNotFoundError}, {4, &mp_type_InterruptedError},
    {10, &mp_type_ChildProcessError}, {11, &mp_type_BlockingIOError}, {13, &mp_type_PermissionError},
    {17, &mp_type_FileExistsError}, {20, &mp_type_NotADirectoryError}, {21, &mp_type_IsADirectoryError},
    {32, &mp_type_BrokenPipeError}, {103, &mp_type_ConnectionAbortedError}, {104, &mp_type_ConnectionResetError},
    {110, &mp_type_TimeoutError}, {111, &mp_type_ConnectionRefusedError},
};

static const mp_obj_type_t *type_of(int number)
{
    for (size_t i = 0; i < MP_ARRAY_SIZE(of_numbers); i++)
        if (of_numbers[i].number == number)
            return of_numbers[i].type;
    return &mp_type_OSError;
}

_Noreturn void nx_raise_os_error(int number, const char *path)
{
    mp_obj_t values[] = {MP_OBJ_NEW_SMALL_INT(number), mp_const_none};
    if (path)
        values[1] = mp_obj_new_str(path, __builtin_strlen(path));
    nlr_raise(mp_obj_new_exception_args(type_of(number), path ? 2 : 1, values));
}
