/* memory.h and boot.h keep their word: ranges are a guest's or not to the byte, files are copied on writing
 * and zero behind their end, and what a guest is told lies where it says. */
#include "boot.h"
#include "check.h"
#include "nx_abi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define END (NX_BASE + (8u << 20))

static struct nx_trouble trouble;

static struct nx_memory reserved(void)
{
    struct nx_memory memory;
    CHECK(nx_memory_reserve(&memory, END, false, &trouble) == 0);
    return memory;
}

static void released(struct nx_memory *memory)
{
    munmap((void *)memory->host, memory->end);
}

static uint8_t *at(const struct nx_memory *memory, uint64_t address)
{
    return (uint8_t *)(memory->host + address);
}

/* A file whose byte i is i * 3, page by page distinct. */
static int made_file(size_t size)
{
    static uint8_t bytes[5 * NX_PAGE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 3 + i / NX_PAGE + 1);
    int fd = memfd_create("made", 0);
    CHECK(fd >= 0 && size <= sizeof bytes && write(fd, bytes, size) == (ssize_t)size);
    return fd;
}

static uint8_t file_byte(size_t i)
{
    return (uint8_t)(i * 3 + i / NX_PAGE + 1);
}

static void ranges(void)
{
    struct nx_memory m = reserved();
    const uint64_t a = NX_BASE, b = a + 2 * NX_PAGE, c = b + NX_PAGE, hole = c + NX_PAGE, d = hole + NX_PAGE;
    CHECK(nx_memory_zeroed(&m, a, b, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, b, c, NX_READ, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, c, hole, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, d, END, NX_READ | NX_WRITE, &trouble) == 0);

    CHECK(nx_memory_readable(&m, a, 1) == at(&m, a));
    CHECK(nx_memory_writable(&m, a, b - a) == at(&m, a));
    CHECK(nx_memory_writable(&m, b - 1, 1) && !nx_memory_writable(&m, b - 1, 2)
          && !nx_memory_writable(&m, b, 1));
    CHECK(nx_memory_readable(&m, b - 1, 2) && nx_memory_readable(&m, a, hole - a));
    CHECK(!nx_memory_readable(&m, a, hole - a + 1) && !nx_memory_readable(&m, hole, 1));
    CHECK(!nx_memory_readable(&m, d - 1, 1) && nx_memory_readable(&m, d, END - d));
    CHECK(!nx_memory_readable(&m, d, END - d + 1) && nx_memory_readable(&m, END - 1, 1));
    CHECK(!nx_memory_readable(&m, END, 1) && !nx_memory_readable(&m, a - 1, 1)
          && !nx_memory_readable(&m, 0, 1));
    CHECK(!nx_memory_readable(&m, UINT64_MAX, 1) && !nx_memory_readable(&m, UINT64_MAX, UINT64_MAX));
    CHECK(!nx_memory_readable(&m, a, UINT64_MAX) && !nx_memory_readable(&m, UINT64_MAX - 1, 8));
    CHECK(!nx_memory_readable(&m, d, UINT64_MAX - d + 1)
          && !nx_memory_readable(&m, a + (UINT64_C(1) << 32), 1));
    CHECK(nx_memory_readable(&m, 0, 0) && nx_memory_writable(&m, UINT64_MAX, 0));
    released(&m);
}

/* Against a map of one flag a page, at random. */
static void random_ranges(void)
{
    srand(8);
    for (int round = 0; round < 200; round++) {
        struct nx_memory m = reserved();
        static uint8_t access[END / NX_PAGE];
        memset(access, 0, sizeof access);
        uint64_t from = NX_BASE;
        for (int i = 0; i < 12; i++) {
            uint64_t start = from + (uint64_t)(rand() % 3) * NX_PAGE;
            uint64_t end = start + (uint64_t)(rand() % 4) * NX_PAGE;
            unsigned may = rand() % 2 ? NX_READ : NX_READ | NX_WRITE;
            CHECK(nx_memory_zeroed(&m, start, end, may, &trouble) == 0);
            memset(access + start / NX_PAGE, (int)may, (end - start) / NX_PAGE);
            from = end;
        }
        for (int i = 0; i < 500; i++) {
            uint64_t address = NX_BASE - NX_PAGE + (uint64_t)rand() % (from - NX_BASE + 3 * NX_PAGE);
            uint64_t size = 1 + (uint64_t)rand() % (3 * NX_PAGE);
            unsigned all = NX_READ | NX_WRITE;
            for (uint64_t page = address / NX_PAGE; page <= (address + size - 1) / NX_PAGE; page++)
                all &= access[page];
            CHECK((nx_memory_readable(&m, address, size) != NULL) == !!(all & NX_READ));
            CHECK((nx_memory_writable(&m, address, size) != NULL) == !!(all & NX_WRITE));
        }
        released(&m);
    }
}

static void order(void)
{
    struct nx_memory m = reserved();
    CHECK(nx_memory_zeroed(&m, NX_BASE - NX_PAGE, NX_BASE, NX_READ, &trouble) == -1);
    CHECK(nx_memory_zeroed(&m, NX_IMAGE, NX_IMAGE + NX_PAGE, NX_READ, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, NX_BASE, NX_BASE + NX_PAGE, NX_READ, &trouble) == -1);
    CHECK(nx_memory_zeroed(&m, NX_IMAGE, NX_IMAGE + NX_PAGE, NX_READ, &trouble) == -1);
    CHECK(nx_memory_zeroed(&m, END - NX_PAGE, END + NX_PAGE, NX_READ, &trouble) == -1);
    CHECK(m.count == 1);
    for (unsigned i = 1; i < NX_REGIONS_MAX; i++)
        CHECK(nx_memory_zeroed(&m, NX_IMAGE + i * 2 * NX_PAGE, NX_IMAGE + (i * 2 + 1) * NX_PAGE, NX_READ,
                               &trouble)
              == 0);
    CHECK(nx_memory_zeroed(&m, END - NX_PAGE, END, NX_READ, &trouble) == -1
          && strstr(trouble.why, "16 parts"));
    released(&m);
}

static void files(void)
{
    struct nx_memory m = reserved();
    int fd = made_file(3 * NX_PAGE);
    /* Begins and ends within pages, and goes on behind the file's bytes. */
    const struct nx_segment data = {NX_IMAGE + 0x100, NX_PAGE, 3 * NX_PAGE, NX_PAGE + 0x100,
                                    NX_READ | NX_WRITE};
    CHECK(nx_memory_file(&m, fd, &data, &trouble) == 0);
    int same = 1, zero = 1;
    for (size_t i = 0; i < data.file_size; i++)
        same &= *at(&m, data.address + i) == file_byte(data.offset + i);
    for (uint64_t i = data.address + data.file_size; i < NX_IMAGE + 4 * NX_PAGE; i++)
        zero &= *at(&m, i) == 0;
    CHECK(same && zero && m.regions[0].end == NX_IMAGE + 4 * NX_PAGE);
    /* Read-only with a tail: zero too, and protected again. */
    const struct nx_segment constants = {NX_IMAGE + 4 * NX_PAGE, 0x80, 0x90, 0, NX_READ};
    CHECK(nx_memory_file(&m, fd, &constants, &trouble) == 0);
    CHECK(*at(&m, constants.address) == file_byte(0) && *at(&m, constants.address + 0x7f) == file_byte(0x7f));
    CHECK(*at(&m, constants.address + 0x80) == 0 && *at(&m, constants.address + NX_PAGE - 1) == 0);
    /* All of it zero: nothing of the file. */
    const struct nx_segment bss = {NX_IMAGE + 6 * NX_PAGE + 8, 0, 100, NX_PAGE + 8, NX_READ | NX_WRITE};
    CHECK(nx_memory_file(&m, fd, &bss, &trouble) == 0);
    CHECK(*at(&m, bss.address - 8) == 0 && *at(&m, bss.address + 99) == 0);
    /* What the guest writes stays here. */
    uint8_t byte;
    *at(&m, data.address) = (uint8_t)(file_byte(data.offset) + 1);
    CHECK(pread(fd, &byte, 1, (off_t)data.offset) == 1 && byte == file_byte(data.offset));
    close(fd);
    released(&m);
}

static struct nx_boot told(const struct nx_memory *m, uint64_t boot)
{
    struct nx_boot b;
    memcpy(&b, at(m, boot), sizeof b);
    return b;
}

static void boot(void)
{
    struct nx_memory m = reserved();
    char *words[] = {(char *)"one", (char *)"--two=2", (char *)"3"};
    const struct nx_module_file modules[] = {{"empty", made_file(0), 0},
                                             {"lib", made_file(NX_PAGE + 5), NX_PAGE + 5},
                                             {"main.py", made_file(NX_PAGE), NX_PAGE}};
    uint64_t place;
    CHECK(nx_memory_zeroed(&m, NX_IMAGE, NX_IMAGE + NX_PAGE, NX_READ, &trouble) == 0);
    CHECK(nx_boot_place(&m, NX_IMAGE + NX_PAGE, modules, 3, words, 3, NX_RING_CALL, 0x1234567890, &place,
                        &trouble)
          == 0);
    struct nx_boot b = told(&m, place);
    CHECK(b.magic == NX_BOOT_MAGIC && b.version == NX_ABI_VERSION && b.ring == NX_RING_CALL);
    CHECK(b.doorbell == 0x1234567890 && b.module_count == 3 && b.memory_end == END);
    CHECK(strcmp((char *)at(&m, b.command_line), "one --two=2 3") == 0);
    CHECK(nx_memory_writable(&m, b.command_line, 14) && b.heap % NX_PAGE == 0);
    CHECK(nx_memory_writable(&m, b.heap, END - b.heap) && !nx_memory_writable(&m, b.heap - 1, 1));
    uint64_t before = place;
    for (unsigned i = 0; i < 3; i++) {
        struct nx_module module;
        memcpy(&module, at(&m, b.modules + i * sizeof module), sizeof module);
        CHECK(strcmp((char *)at(&m, module.name), modules[i].name) == 0 && module.size == modules[i].size);
        CHECK(module.address % NX_PAGE == 0 && module.address >= before && module.address <= b.heap);
        int same = 1, zero = 1;
        for (size_t k = 0; k < module.size; k++)
            same &= *at(&m, module.address + k) == file_byte(k);
        for (uint64_t k = module.address + module.size; k % NX_PAGE; k++)
            zero &= *at(&m, k) == 0;
        CHECK(same && zero && nx_memory_readable(&m, module.address, module.size));
        CHECK(module.size == 0 || !nx_memory_writable(&m, module.address, 1));
        before = module.address + module.size;
        close(modules[i].fd);
    }
    released(&m);

    m = reserved();
    CHECK(nx_boot_place(&m, NX_IMAGE, NULL, 0, NULL, 0, NX_RING_STORE, NX_DOORBELL, &place, &trouble) == 0);
    b = told(&m, place);
    CHECK(b.module_count == 0 && *at(&m, b.command_line) == 0 && b.heap == NX_IMAGE + NX_PAGE);
    released(&m);
}

static void too_large(void)
{
    struct nx_memory m = reserved();
    uint64_t place;
    struct nx_module_file module = {"large", made_file(1), END};
    CHECK(nx_boot_place(&m, NX_IMAGE, &module, 1, NULL, 0, NX_RING_STORE, 0, &place, &trouble) == -1);
    CHECK(trouble.value && strcmp(trouble.value, "large") == 0 && strstr(trouble.why, "does not fit"));
    module.size = UINT64_MAX;
    m.count = 0;
    CHECK(nx_boot_place(&m, NX_IMAGE, &module, 1, NULL, 0, NX_RING_STORE, 0, &place, &trouble) == -1);
    module.size = END - NX_IMAGE - 2 * NX_PAGE; /* one page is left behind it */
    m.count = 0;
    CHECK(nx_boot_place(&m, NX_IMAGE, &module, 1, NULL, 0, NX_RING_STORE, 0, &place, &trouble) == -1);
    CHECK(strstr(trouble.why, "heap"));
    m.count = 0;
    CHECK(nx_boot_place(&m, END, NULL, 0, NULL, 0, NX_RING_STORE, 0, &place, &trouble) == -1);
    close(module.fd);
    released(&m);
}

int main(void)
{
    ranges();
    random_ranges();
    order();
    files();
    boot();
    too_large();
    return failures > 0;
}
