/* The module _host: what the guest may ask of the world, as plain functions. The Python modules above it
 * (host, time, _files, ...) give it its shape. Every refusal is an OSError with the host's number. */
#include <string.h>

#include "py/objstr.h"
#include "py/runtime.h"
#include "py/unicode.h"

#include "guest.h"

static void refuse(long result)
{
    if (result < 0)
        nx_raise_os_error((int)-result, NULL);
}

/* call(request: str) -> str: JSON both ways (NX_OP_CALL). */
static mp_obj_t host_call(mp_obj_t request)
{
    size_t size;
    const char *text = mp_obj_str_get_data(request, &size);
    char *reply = nx_reply_buffer();
    long got = nx_call_host(text, size, reply, NX_PAYLOAD_MAX);
    refuse(got);
    return mp_obj_new_str(reply, (size_t)got);
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_call_obj, host_call);

/* files_stat(path) -> (size, modified_ns, is_folder) */
static mp_obj_t host_files_stat(mp_obj_t path)
{
    struct nx_stat found;
    const char *name = mp_obj_str_get_str(path);
    int failed = nx_stat(name, &found);
    if (failed < 0)
        nx_raise_os_error(-failed, name);
    mp_obj_t values[] = {mp_obj_new_int_from_ull(found.size), mp_obj_new_int_from_ll(found.modified_ns),
        mp_obj_new_bool(found.is_folder != 0)};
    return mp_obj_new_tuple(3, values);
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_files_stat_obj, host_files_stat);

/* file_read(path, offset, n) -> bytes: at most n, none at the end */
static mp_obj_t host_file_read(mp_obj_t path, mp_obj_t offset, mp_obj_t count)
{
    const char *name = mp_obj_str_get_str(path);
    mp_int_t at = mp_obj_get_int(offset), most = mp_obj_get_int(count);
    if (at < 0 || most < 0)
        nx_raise_os_error(NX_EINVAL, name);
    if (most > (mp_int_t)NX_PAYLOAD_MAX)
        most = NX_PAYLOAD_MAX;
    char *reply = nx_reply_buffer();
    long got = nx_read_file(name, (uint64_t)at, reply, (size_t)most);
    if (got < 0)
        nx_raise_os_error((int)-got, name);
    return mp_obj_new_bytes((const byte *)reply, (size_t)got);
}
static MP_DEFINE_CONST_FUN_OBJ_3(host_file_read_obj, host_file_read);

/* file_list(path) -> list of names; those of folders end in "/" */
static mp_obj_t host_file_list(mp_obj_t path)
{
    const char *name = mp_obj_str_get_str(path);
    char *reply = nx_reply_buffer();
    long got = nx_list(name, reply, NX_PAYLOAD_MAX);
    if (got < 0)
        nx_raise_os_error((int)-got, name);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (const char *at = reply, *end = reply + got; at < end;) {
        size_t length = strnlen(at, (size_t)(end - at));
        mp_obj_list_append(list, mp_obj_new_str(at, length));
        at += length + 1;
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_file_list_obj, host_file_list);

static mp_obj_t host_now_ns(void)
{
    return mp_obj_new_int_from_ll(nx_now());
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_now_ns_obj, host_now_ns);

static mp_obj_t host_monotonic_ns(void)
{
    return mp_obj_new_int_from_ll(nx_monotonic());
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_monotonic_ns_obj, host_monotonic_ns);

static mp_obj_t host_sleep_ns(mp_obj_t duration)
{
    mp_int_t nanoseconds = mp_obj_get_int(duration);
    if (nanoseconds < 0)
        mp_raise_ValueError(MP_ERROR_TEXT("sleep length must be non-negative"));
    nx_sleep(nanoseconds);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_sleep_ns_obj, host_sleep_ns);

/* random(n) -> n random bytes */
static mp_obj_t host_random(mp_obj_t count)
{
    mp_int_t size = mp_obj_get_int(count);
    if (size < 0)
        mp_raise_ValueError(MP_ERROR_TEXT("negative argument not allowed"));
    vstr_t bytes;
    vstr_init_len(&bytes, (size_t)size);
    for (size_t at = 0; at < (size_t)size;) {
        size_t part = (size_t)size - at;
        if (part > NX_PAYLOAD_MAX)
            part = NX_PAYLOAD_MAX;
        refuse(nx_random(bytes.buf + at, part));
        at += part;
    }
    return mp_obj_new_bytes_from_vstr(&bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_random_obj, host_random);

/* read(n) -> bytes of standard input: at most n, none at its end */
static mp_obj_t host_read(mp_obj_t count)
{
    mp_int_t size = mp_obj_get_int(count);
    if (size < 0 || size > (mp_int_t)NX_PAYLOAD_MAX)
        size = NX_PAYLOAD_MAX;
    char *reply = nx_reply_buffer();
    long got = nx_stdin_read(reply, (size_t)size);
    refuse(got);
    return mp_obj_new_bytes((const byte *)reply, (size_t)got);
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_read_obj, host_read);

/* write(fd, bytes): fd is 1 or 2 */
static mp_obj_t host_write(mp_obj_t fd, mp_obj_t data)
{
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(data, &bytes, MP_BUFFER_READ);
    mp_int_t number = mp_obj_get_int(fd);
    if (number != 1 && number != 2)
        nx_raise_os_error(NX_EINVAL, NULL);
    nx_write((int)number, bytes.buf, bytes.len);
    return MP_OBJ_NEW_SMALL_INT(bytes.len);
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_write_obj, host_write);

/* module(name) -> memoryview of a file that came with the guest, or None */
static mp_obj_t host_module(mp_obj_t name)
{
    size_t size;
    const char *bytes = nx_guest_file(mp_obj_str_get_str(name), &size);
    return bytes ? mp_obj_new_memoryview('B', size, (void *)(uintptr_t)bytes) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_module_obj, host_module);

/* source_line(file name, number) -> str or None */
static mp_obj_t host_source_line(mp_obj_t name, mp_obj_t number)
{
    size_t size;
    mp_int_t line = mp_obj_get_int(number);
    const char *text = line > 0 ? nx_source_line(mp_obj_str_get_qstr(name), (size_t)line, &size) : NULL;
    return text ? mp_obj_new_str(text, size) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_source_line_obj, host_source_line);

static const mp_rom_map_elem_t host_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__host)},
    {MP_ROM_QSTR(MP_QSTR_call), MP_ROM_PTR(&host_call_obj)},
    {MP_ROM_QSTR(MP_QSTR_files_stat), MP_ROM_PTR(&host_files_stat_obj)},
    {MP_ROM_QSTR(MP_QSTR_file_read), MP_ROM_PTR(&host_file_read_obj)},
    {MP_ROM_QSTR(MP_QSTR_file_list), MP_ROM_PTR(&host_file_list_obj)},
    {MP_ROM_QSTR(MP_QSTR_now_ns), MP_ROM_PTR(&host_now_ns_obj)},
    {MP_ROM_QSTR(MP_QSTR_monotonic_ns), MP_ROM_PTR(&host_monotonic_ns_obj)},
    {MP_ROM_QSTR(MP_QSTR_sleep_ns), MP_ROM_PTR(&host_sleep_ns_obj)},
    {MP_ROM_QSTR(MP_QSTR_random), MP_ROM_PTR(&host_random_obj)},
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&host_read_obj)},
    {MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&host_write_obj)},
    {MP_ROM_QSTR(MP_QSTR_module), MP_ROM_PTR(&host_module_obj)},
    {MP_ROM_QSTR(MP_QSTR_source_line), MP_ROM_PTR(&host_source_line_obj)},
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t nx_host_module = {{&mp_type_module}, (mp_obj_dict_t *)&host_globals};
MP_REGISTER_MODULE(MP_QSTR__host, nx_host_module);
