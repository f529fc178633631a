/* str.split and str.rsplit with the keywords that CPython's take, and rsplit at white space. */
#include "py/objstr.h"
#include "py/runtime.h"

#include "str_methods.h"

/* split and rsplit with their keywords */
static mp_obj_t split_by(size_t count, const mp_obj_t *arguments, mp_map_t *keywords,
    mp_obj_t (*split)(size_t, const mp_obj_t *))
{
    static const mp_arg_t names[] = {
        {MP_QSTR_sep, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_maxsplit, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_INT(-1)}},
    };
    mp_arg_val_t values[2];
    mp_arg_parse_all(count - 1, arguments + 1, keywords, 2, names, values);
    mp_obj_t all[] = {arguments[0], values[0].u_obj, values[1].u_obj};
    return split(3, all);
}

static mp_obj_t str_split_keywords(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    return split_by(count, arguments, keywords, mp_obj_str_split);
}
MP_DEFINE_CONST_FUN_OBJ_KW(nx_str_split_obj, 1, str_split_keywords);

/* Words from the end, at most `splits` of them; what is before them stays in one piece. */
static mp_obj_t words_from_end(mp_obj_t self, mp_int_t splits)
{
    size_t size;
    const byte *text = (const byte *)mp_obj_str_get_data(self, &size), *end = text + size;
    mp_obj_t list = mp_obj_new_list(0, NULL);
    while (end > text && unichar_isspace(end[-1]))
        end--;
    for (; end > text; splits--) {
        const byte *word = end;
        while (word > text && (splits <= 0 || !unichar_isspace(word[-1])))
            word--;
        mp_obj_list_append(list, mp_obj_new_str((const char *)word, (size_t)(end - word)));
        end = splits <= 0 ? text : word;
        while (end > text && unichar_isspace(end[-1]))
            end--;
    }
    mp_obj_t call[2];
    mp_load_method(list, MP_QSTR_reverse, call);
    mp_call_method_n_kw(0, 0, call);
    return list;
}

MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(str_rsplit_obj); /* MicroPython's */
static mp_obj_t rsplit(size_t count, const mp_obj_t *arguments)
{
    mp_int_t splits = mp_obj_get_int(arguments[2]);
    if (arguments[1] == mp_const_none && splits >= 0 && mp_obj_is_str(arguments[0]))
        return words_from_end(arguments[0], splits);
    return str_rsplit_obj.fun.var(count, arguments);
}

static mp_obj_t str_rsplit_keywords(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    return split_by(count, arguments, keywords, rsplit);
}
MP_DEFINE_CONST_FUN_OBJ_KW(nx_str_rsplit_obj, 1, str_rsplit_keywords);
