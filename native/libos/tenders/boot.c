#include "boot.h"

#include "nx_abi.h"

#define PAGE_END(address) (((address) + NX_PAGE - 1) & ~(uint64_t)(NX_PAGE - 1))
#define HEAP_LEAST (64u << 10)

/* Bytes put one after the other in guest memory that is ours to write. */
struct pen {
    uintptr_t host;
    uint64_t at;
};

static uint64_t put(struct pen *pen, const void *bytes, size_t size)
{
    uint64_t from = pen->at;
    __builtin_memcpy((void *)(pen->host + from), bytes, size);
    pen->at += size;
    return from;
}

static void put_words(struct pen *pen, char *const *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            put(pen, " ", 1);
        put(pen, words[i], nx_length(words[i]));
    }
    put(pen, "", 1);
}

int nx_boot_place(struct nx_memory *memory, uint64_t at, const struct nx_module_file *modules,
                  unsigned module_count, char *const *words, unsigned word_count, uint32_t ring,
                  uint64_t doorbell, uint64_t *boot, struct nx_trouble *trouble)
{
    struct nx_module table[NX_MODULES_MAX];
    uint64_t bytes = sizeof(struct nx_boot) + module_count * sizeof *table + 1;
    for (unsigned i = 0; i < module_count; i++)
        bytes += nx_length(modules[i].name) + 1;
    for (unsigned i = 0; i < word_count; i++)
        bytes += nx_length(words[i]) + 1;

    uint64_t next = at + PAGE_END(bytes);
    if (nx_memory_zeroed(memory, at, next, NX_READ | NX_WRITE, trouble) != 0)
        return -1;
    for (unsigned i = 0; i < module_count; i++) {
        const struct nx_segment all = {next, modules[i].size, modules[i].size, 0, NX_READ};
        table[i] = (struct nx_module){0, next, modules[i].size};
        trouble->value = NULL;
        if (modules[i].size > memory->end - next
            || nx_memory_file(memory, modules[i].fd, &all, trouble) != 0) {
            if (modules[i].size > memory->end - next)
                nx_trouble(trouble, NULL, "it does not fit into the guest's memory", 0);
            trouble->value = modules[i].name;
            return -1;
        }
        next += PAGE_END(modules[i].size);
    }
    if (next > memory->end || memory->end - next < HEAP_LEAST)
        return nx_trouble(trouble, NULL,
                          "the image and its modules leave no memory for a heap (see --memory)", 0);
    const uint64_t heap = next;
    if (nx_memory_zeroed(memory, heap, memory->end, NX_READ | NX_WRITE, trouble) != 0)
        return -1;

    struct pen pen = {memory->host, at + sizeof(struct nx_boot)};
    pen.at += module_count * sizeof *table;
    for (unsigned i = 0; i < module_count; i++)
        table[i].name = put(&pen, modules[i].name, nx_length(modules[i].name) + 1);
    struct nx_boot told = {.magic = NX_BOOT_MAGIC,
                           .version = NX_ABI_VERSION,
                           .ring = ring,
                           .module_count = module_count,
                           .doorbell = doorbell,
                           .modules = at + sizeof told,
                           .command_line = pen.at,
                           .heap = heap,
                           .memory_end = memory->end};
    put_words(&pen, words, word_count);
    pen.at = at;
    put(&pen, &told, sizeof told);
    put(&pen, table, module_count * sizeof *table);
    *boot = at;
    return 0;
}
