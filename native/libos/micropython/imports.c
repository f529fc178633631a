/* What `import` finds: modules that came beside main.py ("name.py"), then the library, one archive of
 * compiled modules given as the module "lib" (struct nx_archive in nx_abi.h). Nothing is copied: compiled
 * code is run where it lies. Invariant: no path reaches anything but these files. */
#include <string.h>

#include "py/builtin.h"
#include "py/lexer.h"
#include "py/reader.h"
#include "py/runtime.h"

#include "guest.h"

#define LIBRARY "lib/"

/* The entries of the library, or NULL where there is none or it is cut off. */
static const struct nx_archive_entry *library(size_t *count, const char **start, size_t *size)
{
    const struct nx_archive *head = nx_module("lib", size);
    *start = (const char *)head;
    if (!head || *size < sizeof *head || head->magic != NX_ARCHIVE_MAGIC)
        return NULL;
    *count = head->count;
    if (*count > (*size - sizeof *head) / sizeof(struct nx_archive_entry))
        return NULL;
    return (const struct nx_archive_entry *)(head + 1);
}

static int in_library(const char *path)
{
    return !strncmp(path, LIBRARY, sizeof LIBRARY - 1) || !strcmp(path, "lib");
}

const char *nx_guest_file(const char *path, size_t *size)
{
    if (!in_library(path))
        return nx_module(path, size);
    const char *start;
    size_t count = 0, all;
    const struct nx_archive_entry *entry = library(&count, &start, &all);
    for (size_t i = 0; entry && i < count; i++)
        if (!strncmp(entry[i].name, path, sizeof entry->name)) {
            if (entry[i].offset > all || entry[i].size > all - entry[i].offset)
                return NULL;
            *size = entry[i].size;
            return start + entry[i].offset;
        }
    return NULL;
}

static int is_below(const char *name, const char *folder)
{
    size_t length = strlen(folder);
    return !strncmp(name, folder, length) && name[length] == '/';
}

mp_import_stat_t mp_import_stat(const char *path)
{
    size_t size, count = 0;
    if (nx_guest_file(path, &size))
        return MP_IMPORT_STAT_FILE;
    if (in_library(path)) {
        const char *start;
        const struct nx_archive_entry *entry = library(&count, &start, &size);
        for (size_t i = 0; entry && i < count; i++)
            if (is_below(entry[i].name, path))
                return MP_IMPORT_STAT_DIR;
        return MP_IMPORT_STAT_NO_EXIST;
    }
    const char *name;
    for (size_t i = 0; (name = nx_module_name(i)); i++)
        if (is_below(name, path))
            return MP_IMPORT_STAT_DIR;
    return MP_IMPORT_STAT_NO_EXIST;
}

mp_lexer_t *mp_lexer_new_from_file(qstr name)
{
    size_t size;
    const char *text = nx_guest_file(qstr_str(name), &size);
    if (!text)
        nx_raise_os_error(NX_ENOENT, qstr_str(name));
    return mp_lexer_new_from_str_len(name, text, size, 0);
}

void mp_reader_new_file(mp_reader_t *reader, qstr name)
{
    size_t size;
    const char *bytes = nx_guest_file(qstr_str(name), &size);
    if (!bytes)
        nx_raise_os_error(NX_ENOENT, qstr_str(name));
    mp_reader_new_mem(reader, (const byte *)bytes, size, MP_READER_IS_ROM);
}

/* open() is Python: it needs the library, which knows the files that were granted. */
static mp_obj_t nx_open(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    mp_obj_t module = mp_import_name(MP_QSTR__files, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
    mp_obj_t function = mp_load_attr(module, MP_QSTR_open);
    mp_obj_t *all = m_new(mp_obj_t, count + 2 * keywords->used);
    memcpy(all, arguments, count * sizeof *all);
    size_t named = 0;
    for (size_t i = 0; i < keywords->alloc; i++)
        if (mp_map_slot_is_filled(keywords, i)) {
            all[count + 2 * named] = keywords->table[i].key;
            all[count + 2 * named++ + 1] = keywords->table[i].value;
        }
    return mp_call_function_n_kw(function, count, named, all);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mp_builtin_open_obj, 1, nx_open);
