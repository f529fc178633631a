/* sys.stdin, sys.stdout and sys.stderr as text files over the console, and input().
 *
 * A program may put its own objects in their places: print() and input() then use those. Invariant: whatever
 * the program put there, tracebacks still reach the console (nx_stderr_print). */
#include <string.h>

#include "py/builtin.h"
#include "py/mperrno.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "guest.h"

typedef struct {
    mp_obj_base_t base;
    int fd;
} nx_console;

static char input[4096];
static size_t input_at, input_size;

long nx_stdin_read(void *to, size_t size)
{
    if (input_at == input_size && size >= sizeof input)
        return nx_read(to, size);
    if (input_at == input_size) {
        long got = nx_read(input, sizeof input);
        if (got <= 0)
            return got;
        input_at = 0;
        input_size = (size_t)got;
    }
    if (size > input_size - input_at)
        size = input_size - input_at;
    memcpy(to, input + input_at, size);
    input_at += size;
    return (long)size;
}

static mp_uint_t console_read(mp_obj_t self_in, void *to, mp_uint_t size, int *error)
{
    const nx_console *self = MP_OBJ_TO_PTR(self_in);
    long got = self->fd == 0 ? nx_stdin_read(to, size) : -NX_EINVAL;
    if (got >= 0)
        return (mp_uint_t)got;
    *error = (int)-got;
    return MP_STREAM_ERROR;
}

static mp_uint_t console_write(mp_obj_t self_in, const void *bytes, mp_uint_t size, int *error)
{
    const nx_console *self = MP_OBJ_TO_PTR(self_in);
    if (self->fd == 0) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    nx_write(self->fd, bytes, size);
    return size;
}

static mp_uint_t console_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t argument, int *error)
{
    (void)argument;
    if (request == MP_STREAM_FLUSH)
        nx_flush();
    else if (request == MP_STREAM_GET_FILENO)
        return (mp_uint_t)((const nx_console *)MP_OBJ_TO_PTR(self_in))->fd;
    else if (request != MP_STREAM_CLOSE) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    return 0;
}

static void console_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    (void)kind;
    int fd = ((const nx_console *)MP_OBJ_TO_PTR(self_in))->fd;
    mp_printf(print, "<_io.%s name='<%s>' mode='%s' encoding='utf-8'>", mp_obj_get_type_str(self_in),
        names[fd], fd ? "w" : "r");
}

static mp_obj_t console_fileno(mp_obj_t self_in)
{
    return MP_OBJ_NEW_SMALL_INT(((const nx_console *)MP_OBJ_TO_PTR(self_in))->fd);
}
static MP_DEFINE_CONST_FUN_OBJ_1(console_fileno_obj, console_fileno);

static mp_obj_t console_isatty(mp_obj_t self_in)
{
    (void)self_in;
    return mp_const_false;
}
static MP_DEFINE_CONST_FUN_OBJ_1(console_isatty_obj, console_isatty);

static mp_obj_t console_readable(mp_obj_t self_in)
{
    return mp_obj_new_bool(((const nx_console *)MP_OBJ_TO_PTR(self_in))->fd == 0);
}
static MP_DEFINE_CONST_FUN_OBJ_1(console_readable_obj, console_readable);

static mp_obj_t console_writable(mp_obj_t self_in)
{
    return mp_obj_new_bool(((const nx_console *)MP_OBJ_TO_PTR(self_in))->fd != 0);
}
static MP_DEFINE_CONST_FUN_OBJ_1(console_writable_obj, console_writable);

static mp_obj_t console_writelines(mp_obj_t self, mp_obj_t lines)
{
    mp_obj_iter_buf_t buffer;
    mp_obj_t iterator = mp_getiter(lines, &buffer), line;
    while ((line = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION) {
        size_t size;
        const char *text = mp_obj_str_get_data(line, &size);
        mp_stream_write(self, text, size, MP_STREAM_RW_WRITE);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(console_writelines_obj, console_writelines);

static const mp_rom_map_elem_t console_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj)},
    {MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj)},
    {MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj)},
    {MP_ROM_QSTR(MP_QSTR_readlines), MP_ROM_PTR(&mp_stream_unbuffered_readlines_obj)},
    {MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj)},
    {MP_ROM_QSTR(MP_QSTR_writelines), MP_ROM_PTR(&console_writelines_obj)},
    {MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj)},
    {MP_ROM_QSTR(MP_QSTR_fileno), MP_ROM_PTR(&console_fileno_obj)},
    {MP_ROM_QSTR(MP_QSTR_isatty), MP_ROM_PTR(&console_isatty_obj)},
    {MP_ROM_QSTR(MP_QSTR_readable), MP_ROM_PTR(&console_readable_obj)},
    {MP_ROM_QSTR(MP_QSTR_writable), MP_ROM_PTR(&console_writable_obj)},
    {MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj)},
    {MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj)},
    {MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj)},
    {MP_ROM_QSTR(MP_QSTR_encoding), MP_ROM_QSTR(MP_QSTR_utf_hyphen_8)},
    {MP_ROM_QSTR(MP_QSTR_errors), MP_ROM_QSTR(MP_QSTR_strict)},
    {MP_ROM_QSTR(MP_QSTR_closed), MP_ROM_FALSE},
};
static MP_DEFINE_CONST_DICT(console_locals, console_locals_table);

static const mp_stream_p_t text_protocol = {
    .read = console_read, .write = console_write, .ioctl = console_ioctl, .is_text = true};
static const mp_stream_p_t bytes_protocol = {
    .read = console_read, .write = console_write, .ioctl = console_ioctl};

static MP_DEFINE_CONST_OBJ_TYPE(bytes_type, MP_QSTR_BufferedReader, MP_TYPE_FLAG_ITER_IS_STREAM, print,
    console_print, protocol, &bytes_protocol, locals_dict, &console_locals);

static const nx_console bytes_files[] = {{{&bytes_type}, 0}, {{&bytes_type}, 1}, {{&bytes_type}, 2}};

static void text_attribute(mp_obj_t self_in, qstr name, mp_obj_t *to)
{
    const nx_console *self = MP_OBJ_TO_PTR(self_in);
    if (to[0] != MP_OBJ_NULL)
        return;
    if (name == MP_QSTR_buffer)
        to[0] = MP_OBJ_FROM_PTR(&bytes_files[self->fd]);
    else if (name == MP_QSTR_name)
        to[0] = MP_OBJ_NEW_QSTR(self->fd == 0   ? MP_QSTR__lt_stdin_gt_
                                : self->fd == 1 ? MP_QSTR__lt_stdout_gt_
                                                : MP_QSTR__lt_stderr_gt_);
    else if (name == MP_QSTR_mode)
        to[0] = MP_OBJ_NEW_QSTR(self->fd ? MP_QSTR_w : MP_QSTR_r);
    else
        to[1] = MP_OBJ_SENTINEL; /* look among the methods */
}

static MP_DEFINE_CONST_OBJ_TYPE(text_type, MP_QSTR_TextIOWrapper, MP_TYPE_FLAG_ITER_IS_STREAM, print,
    console_print, attr, text_attribute, protocol, &text_protocol, locals_dict, &console_locals);

static const nx_console text_files[] = {{{&text_type}, 0}, {{&text_type}, 1}, {{&text_type}, 2}};

/* What print() writes to: whatever sys.stdout is at that moment. */
static mp_uint_t current_write(mp_obj_t self_in, const void *text, mp_uint_t size, int *error)
{
    (void)self_in;
    mp_obj_t target = MP_STATE_VM(sys_mutable)[MP_SYS_MUTABLE_STDOUT];
    if (target == MP_OBJ_FROM_PTR(&text_files[1])) {
        nx_write(1, text, size);
        return size;
    }
    const mp_obj_type_t *type = mp_obj_get_type(target);
    if (MP_OBJ_TYPE_HAS_SLOT(type, protocol) && !mp_obj_is_instance_type(type))
        return mp_get_stream(target)->write(target, text, size, error);
    mp_obj_t call[3];
    mp_load_method(target, MP_QSTR_write, call);
    call[2] = mp_obj_new_str(text, size);
    mp_call_method_n_kw(1, 0, call);
    return size;
}

static const mp_stream_p_t current_protocol = {
    .write = current_write, .ioctl = console_ioctl, .is_text = true};
static MP_DEFINE_CONST_OBJ_TYPE(
    current_type, MP_QSTR_TextIOWrapper, MP_TYPE_FLAG_NONE, protocol, &current_protocol);

const nx_console mp_sys_stdout_obj = {{&current_type}, 1};

static void write_stderr(void *data, const char *text, size_t size)
{
    (void)data;
    nx_write(2, text, size);
}
const mp_print_t nx_stderr_print = {NULL, write_stderr};

void nx_streams_start(void)
{
    for (int i = 0; i < 3; i++)
        MP_STATE_VM(sys_mutable)[MP_SYS_MUTABLE_STDIN + i] = MP_OBJ_FROM_PTR(&text_files[i]);
}

/* input([prompt]): a line without its end. Raises EOFError. */
static mp_obj_t nx_input(size_t count, const mp_obj_t *arguments)
{
    if (count)
        mp_obj_print_helper(&mp_sys_stdout_print, arguments[0], PRINT_STR);
    mp_obj_t call[2];
    mp_load_method(MP_STATE_VM(sys_mutable)[MP_SYS_MUTABLE_STDIN], MP_QSTR_readline, call);
    mp_obj_t line = mp_call_method_n_kw(0, 0, call);
    size_t size;
    const char *text = mp_obj_str_get_data(line, &size);
    if (!size)
        mp_raise_msg(&mp_type_EOFError, MP_ERROR_TEXT("EOF when reading a line"));
    if (text[size - 1] == '\n')
        size -= size > 1 && text[size - 2] == '\r' ? 2 : 1;
    return mp_obj_new_str(text, size);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mp_builtin_input_obj, 0, 1, nx_input);
