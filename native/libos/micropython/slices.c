/* Slices with a step of str, bytes, bytearray and tuple, and the fast counting of characters in UTF-8. */
#include <string.h>

#include "py/objarray.h"
#include "py/objlist.h"
#include "py/objstr.h"
#include "py/objtuple.h"
#include "py/runtime.h"

#include "slices.h"

#define HIGH 0x8080808080808080u

static uint64_t eight(const byte *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

size_t nx_ascii_prefix(const byte *at, size_t size)
{
    size_t done = 0;
    while (done + 8 <= size && !(eight(at + done) & HIGH))
        done += 8;
    return done;
}

size_t nx_count_chars(const byte *at, size_t size)
{
    size_t continued = 0, i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = eight(at + i);
        uint64_t inside = word >> 7 & ~(word >> 6) & 0x0101010101010101u; /* bytes 10xxxxxx */
        continued += (inside * 0x0101010101010101u) >> 56;
    }
    for (; i < size; i++)
        continued += (at[i] & 0xc0) == 0x80;
    return size - continued;
}

static size_t count_of(const mp_bound_slice_t *slice)
{
    mp_int_t span = slice->step > 0 ? (mp_int_t)slice->stop - (mp_int_t)slice->start
                                    : (mp_int_t)slice->start - (mp_int_t)slice->stop;
    mp_int_t step = slice->step > 0 ? slice->step : -slice->step;
    return span > 0 ? (size_t)((span + step - 1) / step) : 0;
}

static mp_obj_t slice_text(mp_obj_t self, mp_obj_t index)
{
    size_t size;
    const byte *text = (const byte *)mp_obj_str_get_data(self, &size);
    size_t length = nx_count_chars(text, size);
    mp_bound_slice_t slice;
    mp_obj_slice_indices(index, (mp_int_t)length, &slice);
    size_t count = count_of(&slice);
    vstr_t to;
    vstr_init(&to, count + 1);
    /* where each character begins, unless each is one byte */
    uint32_t *starts = NULL;
    if (length != size) {
        starts = m_new(uint32_t, length);
        size_t n = 0;
        for (size_t i = 0; i < size; i++)
            if ((text[i] & 0xc0) != 0x80)
                starts[n++] = (uint32_t)i;
    }
    for (mp_int_t at = (mp_int_t)slice.start; count; count--, at += slice.step) {
        if (starts)
            vstr_add_char(&to, utf8_get_char(text + starts[at]));
        else
            vstr_add_byte(&to, text[at]);
    }
    if (starts)
        m_del(uint32_t, starts, length);
    return mp_obj_new_str_from_utf8_vstr(&to);
}

static mp_obj_t slice_bytes(mp_obj_t self, mp_obj_t index, bool is_array)
{
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(self, &bytes, MP_BUFFER_READ);
    mp_bound_slice_t slice;
    mp_obj_slice_indices(index, (mp_int_t)bytes.len, &slice);
    vstr_t to;
    vstr_init_len(&to, count_of(&slice));
    mp_int_t at = (mp_int_t)slice.start;
    for (size_t i = 0; i < to.len; i++, at += slice.step)
        to.buf[i] = ((const char *)bytes.buf)[at];
    return is_array ? mp_obj_new_bytearray(to.len, to.buf) : mp_obj_new_bytes_from_vstr(&to);
}

static mp_obj_t slice_tuple(mp_obj_t self, mp_obj_t index)
{
    size_t length;
    mp_obj_t *items;
    mp_obj_tuple_get(self, &length, &items);
    mp_bound_slice_t slice;
    mp_obj_slice_indices(index, (mp_int_t)length, &slice);
    mp_obj_tuple_t *made = MP_OBJ_TO_PTR(mp_obj_new_tuple(count_of(&slice), NULL));
    mp_int_t at = (mp_int_t)slice.start;
    for (size_t i = 0; i < made->len; i++, at += slice.step)
        made->items[i] = items[at];
    return MP_OBJ_FROM_PTR(made);
}

mp_obj_t nx_slice_by_step(mp_obj_t self, mp_obj_t index)
{
    const mp_obj_type_t *type = mp_obj_get_type(self);
    if (type == &mp_type_str)
        return slice_text(self, index);
    if (type == &mp_type_bytes || type == &mp_type_bytearray)
        return slice_bytes(self, index, type == &mp_type_bytearray);
    if (MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, subscr) == mp_obj_tuple_subscr)
        return slice_tuple(self, index);
    mp_raise_NotImplementedError(MP_ERROR_TEXT("only slices with step=1 (aka None) are supported"));
}

static _Noreturn void wrong_size(size_t given, size_t wanted)
{
    mp_raise_msg_varg(&mp_type_ValueError,
        MP_ERROR_TEXT("attempt to assign sequence of size %d to extended slice of size %d"), (int)given,
        (int)wanted);
}

/* list[slice] = *value, or del list[slice] where *value is MP_OBJ_NULL, for other steps than 1: whether it
 * was one. Makes *value a list where it is another iterable. */
bool nx_list_slice(mp_obj_t self_in, mp_obj_t index, mp_obj_t *value)
{
    mp_obj_list_t *self = MP_OBJ_TO_PTR(self_in);
    if (*value != MP_OBJ_NULL && !mp_obj_is_type(*value, &mp_type_list) &&
        !mp_obj_is_type(*value, &mp_type_tuple))
        *value = mp_obj_list_make_new(&mp_type_list, 1, 0, value);
    mp_bound_slice_t slice;
    mp_obj_slice_indices(index, (mp_int_t)self->len, &slice);
    if (slice.step == 1)
        return false;
    size_t count = count_of(&slice);
    mp_int_t at = (mp_int_t)slice.start;
    if (*value != MP_OBJ_NULL) {
        size_t given;
        mp_obj_t *items;
        mp_obj_get_array(*value, &given, &items);
        if (given != count)
            wrong_size(given, count);
        for (size_t i = 0; i < count; i++, at += slice.step)
            self->items[at] = items[i];
        return true;
    }
    if (slice.step < 0 && count) { /* the same items from the front */
        at += (mp_int_t)(count - 1) * slice.step;
        slice.step = -slice.step;
    }
    size_t to = count ? (size_t)at : self->len;
    for (size_t from = to, next = to, left = count; from < self->len; from++) {
        if (left && from == next) {
            next += (size_t)slice.step;
            left--;
        } else {
            self->items[to++] = self->items[from];
        }
    }
    mp_seq_clear(self->items, to, self->len, sizeof *self->items);
    self->len = to;
    return true;
}

bool nx_bytearray_slice(mp_obj_t self, mp_obj_t index, mp_obj_t value)
{
    if (!mp_obj_is_type(self, &mp_type_bytearray))
        return false;
    mp_buffer_info_t to, from;
    mp_get_buffer_raise(self, &to, MP_BUFFER_WRITE);
    mp_get_buffer_raise(value, &from, MP_BUFFER_READ);
    mp_bound_slice_t slice;
    mp_obj_slice_indices(index, (mp_int_t)to.len, &slice);
    size_t count = count_of(&slice);
    if (from.len != count)
        wrong_size(from.len, count);
    mp_int_t at = (mp_int_t)slice.start;
    for (size_t i = 0; i < count; i++, at += slice.step)
        ((char *)to.buf)[at] = ((const char *)from.buf)[i];
    return true;
}
