/* Exceptions that CPython has and MicroPython lacks, so that `except` clauses written for CPython work. */
#include "py/objexcept.h"
#include "py/objstr.h"
#include "py/runtime.h"

#include "exceptions.h"
#include "guest.h"

NX_EXCEPTIONS(MP_DEFINE_EXCEPTION)

static const struct {
    int number;
    const mp_obj_type_t *type;
} of_numbers[] = {
    {1, &mp_type_PermissionError},
    {2, &mp_type_FileNotFoundError},
    {4, &mp_type_InterruptedError},
    {10, &mp_type_ChildProcessError},
    {11, &mp_type_BlockingIOError},
    {13, &mp_type_PermissionError},
    {17, &mp_type_FileExistsError},
    {20, &mp_type_NotADirectoryError},
    {21, &mp_type_IsADirectoryError},
    {32, &mp_type_BrokenPipeError},
    {103, &mp_type_ConnectionAbortedError},
    {104, &mp_type_ConnectionResetError},
    {110, &mp_type_TimeoutError},
    {111, &mp_type_ConnectionRefusedError},
};

static const mp_obj_type_t *type_of(int number)
{
    for (size_t i = 0; i < MP_ARRAY_SIZE(of_numbers); i++)
        if (of_numbers[i].number == number)
            return of_numbers[i].type;
    return &mp_type_OSError;
}

static const char *text_of(int number)
{
    static const struct {
        int number;
        const char *text;
    } texts[] = {
        {1, "Operation not permitted"},
        {2, "No such file or directory"},
        {5, "Input/output error"},
        {7, "Argument list too long"},
        {9, "Bad file descriptor"},
        {11, "Resource temporarily unavailable"},
        {12, "Cannot allocate memory"},
        {13, "Permission denied"},
        {14, "Bad address"},
        {16, "Device or resource busy"},
        {17, "File exists"},
        {19, "No such device"},
        {20, "Not a directory"},
        {21, "Is a directory"},
        {22, "Invalid argument"},
        {24, "Too many open files"},
        {28, "No space left on device"},
        {32, "Broken pipe"},
        {38, "Function not implemented"},
        {39, "Directory not empty"},
        {90, "Message too long"},
        {95, "Operation not supported"},
        {103, "Software caused connection abort"},
        {104, "Connection reset by peer"},
        {110, "Connection timed out"},
        {111, "Connection refused"},
    };
    for (size_t i = 0; i < MP_ARRAY_SIZE(texts); i++)
        if (texts[i].number == number)
            return texts[i].text;
    return "Unknown error";
}

_Noreturn void nx_raise_os_error(int number, const char *path)
{
    mp_obj_t values[] = {MP_OBJ_NEW_SMALL_INT(number), mp_const_none};
    const char *text = text_of(number);
    vstr_t message;
    mp_print_t print;
    vstr_init_print(&message, 64, &print);
    mp_print_str(&print, text);
    if (path) {
        mp_print_str(&print, ": ");
        mp_str_print_quoted(&print, (const byte *)path, __builtin_strlen(path), false);
    }
    values[1] = mp_obj_new_str_from_utf8_vstr(&message);
    nlr_raise(mp_obj_new_exception_args(type_of(number), 2, values));
}

/* "[Errno 2] No such file or directory", for OSErrors that were given a number; whether it was printed. */
bool nx_print_os_error(
    const mp_print_t *print, const mp_obj_type_t *type, size_t count, const mp_obj_t *items)
{
    if (!count || count > 2 || !mp_obj_is_small_int(items[0])
        || !mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(type), MP_OBJ_FROM_PTR(&mp_type_OSError)))
        return false;
    int number = (int)MP_OBJ_SMALL_INT_VALUE(items[0]);
    mp_printf(print, "[Errno %d] ", number);
    if (count > 1)
        mp_obj_print_helper(print, items[1], PRINT_STR);
    else
        mp_print_str(print, text_of(number));
    return true;
}
