/* What a PVH loader left, made into what every other tender gives: struct nx_boot, modules behind the
 * image, the guest's own page tables. Runs once, with everything mapped. Trusts the loader for what PVH
 * promises, the archive for nothing.
 * Invariant: nothing that the guest uses later lies below NX_BASE or where the loader put it. */
#include <string.h>

#include "core.h"
#include "pvh.h"

#define PAGE 4096ull
#define LARGE (2ull << 20)
#define TABLES 0x108000u /* GUEST_TABLES of pvh32.S: top, directory pointers, 4 directories, then tables */
#define MOST_MODULES 1024u

enum { PRESENT = 1, WRITABLE = 2, UNCACHED = 0x18, IS_LARGE = 0x80 };
#define NO_EXECUTE (1ull << 63)

extern char nx_image_code[], nx_image_data[], nx_image_end[]; /* image.ld */

struct nx_boot *nx_pvh_enter(const struct pvh_start *start);

static uint64_t up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* The end of the memory that the image lies in. */
static uint64_t memory_end(const struct pvh_start *start)
{
    const struct pvh_memory *memory = (const void *)(uintptr_t)start->memory;
    for (uint32_t i = 0; start->version >= 1 && i < start->memory_count; i++) {
        uint64_t end = memory[i].address + memory[i].size;
        if (memory[i].type == PVH_MEMORY_RAM && memory[i].address <= NX_BASE && end > NX_IMAGE)
            return (end < NX_MEMORY_MAX ? end : NX_MEMORY_MAX) & ~(LARGE - 1);
    }
    nx_pvh_reset();
}

static uint64_t hexadecimal(const char *text, const char **end)
{
    uint64_t value = 0;
    for (;; text++) {
        unsigned digit = (unsigned)*text - '0';
        if (digit > 9)
            digit = ((unsigned)*text | 32) - 'a' <= 5 ? ((unsigned)*text | 32) - 'a' + 10 : 16;
        if (digit > 15)
            break;
        value = value << 4 | digit;
    }
    *end = text;
    return value;
}

/* Maps [NX_BASE, end) and the page of the console's registers. */
static void map(uint64_t end, uint64_t registers)
{
    uint64_t *top = (uint64_t *)TABLES, *pointers = top + 512, *directory = pointers + 512;
    uint64_t *table = directory + 4 * 512;
    uint64_t code = (uintptr_t)nx_image_code, data = (uintptr_t)nx_image_data;
    memset(top, 0, 6 * PAGE);
    top[0] = (uintptr_t)pointers | PRESENT | WRITABLE;
    for (unsigned i = 0; i < 4; i++)
        pointers[i] = (uintptr_t)(directory + i * 512) | PRESENT | WRITABLE;
    for (uint64_t large = NX_BASE; large < end; large += LARGE) {
        if (large >= data) {
            directory[large / LARGE] = large | PRESENT | WRITABLE | IS_LARGE | NO_EXECUTE;
            continue;
        }
        directory[large / LARGE] = (uintptr_t)table | PRESENT | WRITABLE;
        for (uint64_t page = large; page < large + LARGE; page += PAGE, table++) {
            uint64_t flags = PRESENT | NO_EXECUTE;
            if (page < NX_IMAGE || page >= data)
                flags |= WRITABLE;
            else if (page >= code)
                flags = PRESENT;
            *table = page | flags;
        }
    }
    memset(table, 0, PAGE);
    directory[registers / LARGE] = (uintptr_t)table | PRESENT | WRITABLE;
    table[registers / PAGE % 512] = (registers & ~(PAGE - 1)) | PRESENT | WRITABLE | UNCACHED | NO_EXECUTE;
}

/* Lays the archive's modules behind `boot` and its tables; gives where the heap begins. */
static uint64_t unpack(struct nx_boot *boot, const char *archive, uint64_t size, const char *line)
{
    const struct nx_archive *head = (const void *)archive;
    const struct nx_archive_entry *entries = (const void *)(head + 1);
    if (size && (size < sizeof *head || head->magic != NX_ARCHIVE_MAGIC))
        nx_panic("the modules are not an archive");
    uint32_t count = size ? head->count : 0;
    if (count > MOST_MODULES || (count && sizeof *head + count * sizeof *entries > size))
        nx_panic("the archive of modules is damaged");

    struct nx_module *modules = (struct nx_module *)(boot + 1);
    char (*names)[sizeof entries->name] = (void *)(modules + count);
    char *words = (char *)(names + count);
    uint64_t next = up((uintptr_t)words + strlen(line) + 1, PAGE), bytes = next, past = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].offset > size || entries[i].size > size - entries[i].offset ||
            entries[i].offset < past || entries[i].offset % PAGE ||
            strnlen(entries[i].name, sizeof entries[i].name) == sizeof entries[i].name)
            nx_panic("the archive of modules is damaged");
        past = entries[i].offset + entries[i].size;
        bytes += up(entries[i].size, PAGE);
    }
    if (bytes > boot->memory_end || (count && next > (uintptr_t)archive))
        nx_panic("the modules do not fit into the memory");

    strcpy(words, line);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(names[i], entries[i].name, sizeof names[i]);
        modules[i].name = (uintptr_t)names[i];
        modules[i].address = (uintptr_t)archive + entries[i].offset;
        modules[i].size = entries[i].size;
    }
    /* Front to back, each to where it does not reach what is still to be moved: modules lie in the archive
     * in this order and no closer than here, and the archive begins behind `next`. It may run over the
     * archive's head. */
    for (uint32_t i = 0; i < count; i++) {
        memmove((void *)(uintptr_t)next, (const void *)(uintptr_t)modules[i].address, modules[i].size);
        modules[i].address = next;
        next = up(next + modules[i].size, PAGE);
    }
    boot->module_count = count;
    boot->modules = (uintptr_t)modules;
    boot->command_line = (uintptr_t)words;
    return next;
}

__attribute__((used)) struct nx_boot *nx_pvh_enter(const struct pvh_start *start)
{
    const char *line = start->command_line ? (const char *)(uintptr_t)start->command_line : "";
    if (start->magic != PVH_MAGIC || strncmp(line, "nx.virtio=0x", 12) != 0)
        nx_pvh_reset();
    uint64_t registers = hexadecimal(line + 12, &line), end = memory_end(start);
    if (registers < end || registers >> 32 || registers & 0x1ff || !nx_virtio_open(registers))
        nx_pvh_reset();

    struct nx_boot *boot = (struct nx_boot *)nx_image_end;
    *boot = (struct nx_boot){.magic = NX_BOOT_MAGIC,
                             .version = NX_ABI_VERSION,
                             .ring = NX_RING_VIRTIO,
                             .doorbell = registers,
                             .memory_end = end};
    nx_boot = boot; /* from here on a panic is heard */
    const struct pvh_module *archive = start->module_count ? (const void *)(uintptr_t)start->modules : NULL;
    uint64_t from = archive ? archive->address : 0, size = archive ? archive->size : 0;
    boot->heap = unpack(boot, (const char *)(uintptr_t)from, size, line);
    for (uint64_t i = 0; i < boot->module_count; i++) { /* the last page is zero up to its end */
        const struct nx_module *module = (const struct nx_module *)(uintptr_t)boot->modules + i;
        memset((void *)(uintptr_t)(module->address + module->size), 0, -module->size % PAGE);
    }
    if (from + size > boot->heap) { /* the heap is zero, where the archive lay too */
        uint64_t dirty = from > boot->heap ? from : boot->heap;
        memset((void *)(uintptr_t)dirty, 0, from + size - dirty);
    }
    map(end, registers);
    return boot;
}
