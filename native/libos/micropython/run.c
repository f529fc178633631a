/* Runs source text as __main__ and says how it ended. */
#include <string.h>

#include "py/compile.h"
#include "py/runtime.h"
#include "py/unicode.h"

#include "guest.h"

/* A program's own exit: None is 0, an int itself, anything else is shown and 1. */
static int status_of_exit(mp_obj_t exception)
{
    mp_obj_t value = mp_obj_exception_get_value(exception);
    if (value == mp_const_none)
        return 0;
    mp_int_t status;
    if (mp_obj_is_int(value))
        return mp_obj_get_int_maybe(value, &status) ? (int)(status & 0xff) : 0xff;
    if (value == mp_const_false || value == mp_const_true)
        return value == mp_const_true;
    nx_flush();
    mp_obj_print_helper(&nx_stderr_print, value, PRINT_STR);
    mp_print_str(&nx_stderr_print, "\n");
    return 1;
}

static int is_exit(mp_obj_t exception)
{
    return mp_obj_is_subclass_fast(
        MP_OBJ_FROM_PTR(mp_obj_get_type(exception)), MP_OBJ_FROM_PTR(&mp_type_SystemExit));
}

/* What was raised, printed; printing calls Python (__str__) and may raise in turn. */
static int ended_by(mp_obj_t exception)
{
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        mp_print_str(&nx_stderr_print, "(and showing it failed)\n");
        return 1;
    }
    int status = 1;
    if (is_exit(exception))
        status = status_of_exit(exception);
    else {
        nx_flush();
        nx_print_exception(&nx_stderr_print, exception);
    }
    nlr_pop();
    return status;
}

/* CPython's words for bytes that are not UTF-8; 0 where all is well. */
static int refuse_bad_text(qstr name, const char *text, size_t size)
{
    if (utf8_check((const byte *)text, size) && !memchr(text, 0, size))
        return 0;
    size_t line = 1, at = 0;
    for (size_t good = 0; good < size; good++) { /* the first byte whose prefix is not sound */
        size_t length = 1;
        unsigned char lead = (unsigned char)text[good];
        if (lead >= 0x80)
            length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        at = good;
        if (!lead || good + length > size || !utf8_check((const byte *)text + good, length))
            break;
        line += lead == '\n';
        good += length - 1;
    }
    nx_flush();
    mp_printf(&nx_stderr_print, "  File \"%q\", line %d\n", name, (int)line);
    if (!text[at])
        mp_print_str(&nx_stderr_print, "SyntaxError: source code cannot contain null bytes\n");
    else
        mp_printf(&nx_stderr_print,
            "SyntaxError: Non-UTF-8 code starting with '\\x%02x' in file %q on line %d\n",
            (unsigned)(unsigned char)text[at], name, (int)line);
    return 1;
}

int nx_run_source(qstr name, const char *text, size_t size)
{
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        text += 3, size -= 3;
    if (refuse_bad_text(name, text, size))
        return 1;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0)
        return ended_by(MP_OBJ_FROM_PTR(nlr.ret_val));
    mp_lexer_t *lexer = mp_lexer_new_from_str_len(name, text, size, 0);
    mp_parse_tree_t tree = mp_parse(lexer, MP_PARSE_FILE_INPUT);
    mp_call_function_0(mp_compile(&tree, name, false));
    nlr_pop();
    return 0;
}
