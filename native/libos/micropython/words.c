#include "py/bc.h"
#include "py/objfun.h"
#include "py/runtime.h"

#include "words.h"

static const char *symbol(mp_binary_op_t op)
{
    static const char arithmetic[][4] = {"|", "^", "&", "<<", ">>", "+", "-", "*", "@", "//", "/", "%", "**"};
    static const char *const comparisons[] = {"<", ">", "==", "<=", ">=", "!=", "in"};
    if (op <= MP_BINARY_OP_IN)
        return comparisons[op];
    size_t first = op >= MP_BINARY_OP_OR ? MP_BINARY_OP_OR : MP_BINARY_OP_INPLACE_OR;
    size_t number = (size_t)op - first;
    return number < MP_ARRAY_SIZE(arithmetic) ? arithmetic[number] : qstr_str(mp_binary_op_method_name[op]);
}

NORETURN void nx_raise_unary(mp_unary_op_t op, mp_obj_t value)
{
    const char *type = mp_obj_get_type_str(value);
    if (op == MP_UNARY_OP_HASH)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("unhashable type: '%s'"), type);
    if (op == MP_UNARY_OP_ABS)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("bad operand type for abs(): '%s'"), type);
    if (op <= MP_UNARY_OP_INVERT)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("bad operand type for unary %c: '%s'"),
                          "+-~"[op - MP_UNARY_OP_POSITIVE], type);
    mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("unsupported type for %q: '%s'"),
                      mp_unary_op_method_name[op], type);
}

static bool is_sequence(const mp_obj_type_t *type)
{
    return type == &mp_type_str || type == &mp_type_list || type == &mp_type_tuple || type == &mp_type_bytes;
}

NORETURN void nx_raise_binary(mp_binary_op_t op, mp_obj_t left, mp_obj_t right)
{
    const mp_obj_type_t *type = mp_obj_get_type(left);
    const char *lefts = mp_obj_get_type_str(left), *rights = mp_obj_get_type_str(right);
    if (op == MP_BINARY_OP_CONTAINS || op == MP_BINARY_OP_IN)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("argument of type '%s' is not iterable"),
                          op == MP_BINARY_OP_IN ? rights : lefts);
    if (op <= MP_BINARY_OP_NOT_EQUAL)
        mp_raise_msg_varg(&mp_type_TypeError,
                          MP_ERROR_TEXT("'%s' not supported between instances of '%s' and '%s'"), symbol(op), lefts,
                          rights);
    bool adds = op == MP_BINARY_OP_ADD || op == MP_BINARY_OP_INPLACE_ADD;
    if (adds && type == &mp_type_bytes)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("can't concat %s to bytes"), rights);
    if (adds && is_sequence(type))
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("can only concatenate %s (not \"%s\") to %s"), lefts,
                          rights, lefts);
    if ((op == MP_BINARY_OP_MULTIPLY || op == MP_BINARY_OP_INPLACE_MULTIPLY)
        && (is_sequence(type) || is_sequence(mp_obj_get_type(right))))
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("can't multiply sequence by non-int of type '%s'"),
                          is_sequence(type) ? rights : lefts);
    bool power = op == MP_BINARY_OP_POWER || op == MP_BINARY_OP_INPLACE_POWER;
    mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("unsupported operand type(s) for %s: '%s' and '%s'"),
                      power ? "** or pow()" : symbol(op), lefts, rights);
}

static qstr name_of(mp_obj_fun_bc_t *function)
{
    return mp_obj_fun_get_name(MP_OBJ_FROM_PTR(function));
}

NORETURN void nx_raise_too_many(mp_obj_fun_bc_t *function, size_t most, size_t optional, size_t given)
{
    const char *were = given == 1 ? "was" : "were", *plural = most == 1 ? "" : "s";
    if (optional)
        mp_raise_msg_varg(&mp_type_TypeError,
                          MP_ERROR_TEXT("%q() takes from %d to %d positional arguments but %d %s given"),
                          name_of(function), (int)(most - optional), (int)most, (int)given, were);
    mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("%q() takes %d positional argument%s but %d %s given"),
                      name_of(function), (int)most, plural, (int)given, were);
}

NORETURN void nx_raise_missing(mp_obj_fun_bc_t *function, const uint8_t *names, const mp_obj_t *values,
                               size_t first, size_t count, const char *kind)
{
    size_t missing = 0, said = 0;
    for (size_t i = first; i < first + count; i++)
        missing += values[-(ptrdiff_t)i] == MP_OBJ_NULL;
    vstr_t text;
    mp_print_t print;
    vstr_init_print(&text, 100, &print);
    mp_printf(&print, "%q() missing %d required %s argument%s: ", name_of(function), (int)missing, kind,
              missing == 1 ? "" : "s");
    names = mp_decode_uint_skip(names);
    for (size_t i = 0; i < first + count; i++) {
        qstr name = (qstr)mp_decode_uint(&names);
        if (i < first || values[-(ptrdiff_t)i] != MP_OBJ_NULL)
            continue;
#if MICROPY_EMIT_BYTECODE_USES_QSTR_TABLE
        name = function->context->constants.qstr_table[name];
#endif
        said++;
        mp_printf(&print, "%s%s'%q'", said > 1 && missing > 2 ? "," : "",
                  said == 1 ? "" : said == missing ? " and " : " ", name);
    }
    nlr_raise(mp_obj_new_exception_arg1(&mp_type_TypeError, mp_obj_new_str_from_utf8_vstr(&text)));
}

NORETURN void nx_raise_keyword(mp_obj_fun_bc_t *function, const char *what, qstr name)
{
    mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("%q() got %s '%q'"), name_of(function), what, name);
}
