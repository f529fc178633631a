/* image.h keeps its word: a good image is taken as it is, and an image wrong in any one field is refused for
 * it. */
#include "check.h"
#include "image.h"
#include "made_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Checked in memory of exactly its size, so that the sanitizer sees a read behind it. */
static const char *checked(const struct made_image *made, size_t head, uint64_t file_size,
                           struct nx_image *image)
{
    uint8_t *bytes = calloc(1, head ? head : 1);
    memcpy(bytes, made, head < sizeof *made ? head : sizeof *made);
    const char *why = nx_image_check(bytes, head, file_size, MADE_LIMIT, image);
    free(bytes);
    return why;
}

static void taken(void)
{
    struct made_image made;
    struct nx_image image;
    make_image(&made);
    CHECK(checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image) == NULL);
    CHECK(image.entry == 0x301010 && image.count == 3 && image.end == 0x308000);
    CHECK(image.segments[0].access == NX_READ);
    CHECK(image.segments[1].access == (NX_READ | NX_EXECUTE));
    CHECK(image.segments[2].access == (NX_READ | NX_WRITE));
    CHECK(image.segments[2].file_size == 0x100 && image.segments[2].memory_size == 0x5000);
    /* A head that ends with the last program header is enough. */
    CHECK(checked(&made, sizeof made, MADE_SIZE, &image) == NULL);
    /* An empty segment is none, wherever it lies. */
    made.p[3] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X};
    CHECK(checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image) == NULL && image.count == 3);
    /* One that begins within a page, at the same place in its file's page. */
    made.p[3] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0x3080, 0x308080, 0x308080, 0x80, 0x80, 0x1000};
    CHECK(checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image) == NULL && image.count == 4
          && image.end == 0x309000);
    /* Up to the very end of memory. */
    make_image(&made);
    made.p[2].p_memsz = MADE_LIMIT - 0x303000;
    CHECK(checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image) == NULL && image.end == MADE_LIMIT);
}

struct change {
    size_t at, size;
    uint64_t value;
    const char *why; /* part of what is said */
};

#define E(field) offsetof(struct made_image, e.field), sizeof(((struct made_image *)0)->e.field)
#define P(i, field) offsetof(struct made_image, p[i].field), sizeof(((struct made_image *)0)->p[0].field)

static const struct change changes[] = {
    {0, 1, 0x7e, "not an ELF"},
    {3, 1, 'f', "not an ELF"},
    {EI_CLASS, 1, ELFCLASS32, "64-bit"},
    {EI_DATA, 1, ELFDATA2MSB, "little-endian"},
    {EI_VERSION, 1, 2, "version"},
    {E(e_version), 0, "version"},
    {E(e_type), ET_DYN, "ET_EXEC"},
    {E(e_type), ET_REL, "ET_EXEC"},
    {E(e_machine), EM_AARCH64, "x86-64"},
    {E(e_ehsize), 52, "size"},
    {E(e_phentsize), 32, "size"},
    {E(e_phentsize), 0xffff, "size"},
    {E(e_phnum), 0, "no program headers"},
    {E(e_phnum), 0xffff, "outside of the file"},
    {E(e_phnum), 100, "4096"},
    {E(e_phoff), UINT64_MAX, "outside of the file"},
    {E(e_phoff), UINT64_MAX - 100, "outside of the file"},
    {E(e_phoff), NX_IMAGE_HEAD - 100, "4096"},
    {E(e_phoff), MADE_SIZE - 10, "outside of the file"},
    {E(e_phoff), 0x800, "no segment"},
    {E(e_entry), 0, "entry"},
    {E(e_entry), 0x300010, "entry"},
    {E(e_entry), 0x302800, "entry"},
    {E(e_entry), 0x303000, "entry"},
    {E(e_entry), UINT64_MAX, "entry"},
    {P(3, p_type), PT_INTERP, "dynamically"},
    {P(3, p_type), PT_DYNAMIC, "dynamically"},
    {P(3, p_type), PT_TLS, "thread"},
    {P(1, p_flags), PF_R | PF_W | PF_X, "both writable and executable"},
    {P(1, p_flags), PF_X, "not readable"},
    {P(2, p_flags), PF_W, "not readable"},
    {P(2, p_flags), 0, "not readable"},
    {P(2, p_flags), 0x10000004, "unknown flags"},
    {P(1, p_flags), PF_R, "entry"},
    {P(0, p_offset), 0x3f00, "outside of the file"},
    {P(0, p_offset), UINT64_MAX, "outside of the file"},
    {P(0, p_offset), 0x100, "does not match"},
    {P(1, p_filesz), 0x5000, "larger in the file"},
    {P(1, p_filesz), UINT64_MAX, "larger in the file"},
    {P(1, p_memsz), 0, "larger in the file"},
    {P(1, p_memsz), 0x3000, "share a page"},
    {P(2, p_memsz), MADE_LIMIT, "does not fit"},
    {P(2, p_memsz), UINT64_MAX, "does not fit"},
    {P(2, p_memsz), UINT64_MAX - 0x303000, "does not fit"},
    {P(2, p_paddr), 0x304000, "differ"},
};

static void refused(void)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct made_image made;
        struct nx_image image;
        make_image(&made);
        memcpy((char *)&made + changes[i].at, &changes[i].value, changes[i].size);
        const char *why = checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image);
        if (!why || !strstr(why, changes[i].why)) {
            printf("change %zu: %s, not %s\n", i, why ? why : "taken", changes[i].why);
            failures++;
        }
    }
}

/* Both addresses of a segment moved together. */
static void moved(unsigned segment, uint64_t address, const char *expected)
{
    struct made_image made;
    struct nx_image image;
    make_image(&made);
    made.p[segment].p_vaddr = made.p[segment].p_paddr = address;
    const char *why = checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image);
    CHECK(why && strstr(why, expected));
}

static void misplaced(void)
{
    moved(0, 0, "below");
    moved(0, 0x200000, "below");
    moved(0, 0x2ff000, "below");
    moved(2, 0x301000, "share a page");
    moved(2, 0x302000, "share a page");
    moved(2, MADE_LIMIT, "does not fit");
    moved(2, MADE_LIMIT - 0x1000, "does not fit");
    moved(2, UINT64_MAX & ~UINT64_C(4095), "does not fit");
    moved(2, 0xd0000000, "does not fit");
    moved(2, 0x303800, "does not match");
    moved(0, 0x304000, "share a page");
    struct made_image made;
    struct nx_image image;
    make_image(&made);
    made.p[2].p_vaddr += UINT64_C(1) << 32; /* the lower halves agree */
    CHECK(checked(&made, NX_IMAGE_HEAD, MADE_SIZE, &image) != NULL);
}

static void cut_off(void)
{
    struct made_image made;
    struct nx_image image;
    make_image(&made);
    for (size_t size = 0; size < sizeof made; size++)
        CHECK(checked(&made, size, size, &image) != NULL);
    CHECK(checked(&made, sizeof made, 0x30ff, &image) != NULL);
}

static void many_segments(void)
{
    struct {
        Elf64_Ehdr e;
        Elf64_Phdr p[NX_SEGMENTS_MAX + 1];
    } made;
    struct made_image small;
    struct nx_image image;
    make_image(&small);
    made.e = small.e;
    made.e.e_entry = 0x300000;
    for (unsigned i = 0; i <= NX_SEGMENTS_MAX; i++) {
        uint64_t at = 0x300000 + i * 0x1000u;
        made.p[i] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0, at, at, 0x100, 0x100, 0x1000};
    }
    made.e.e_phnum = NX_SEGMENTS_MAX;
    CHECK(nx_image_check((const uint8_t *)&made, sizeof made, MADE_SIZE, MADE_LIMIT, &image) == NULL);
    made.e.e_phnum++;
    const char *why = nx_image_check((const uint8_t *)&made, sizeof made, MADE_SIZE, MADE_LIMIT, &image);
    CHECK(why && strstr(why, "8 segments"));
}

int main(void)
{
    taken();
    refused();
    misplaced();
    cut_off();
    many_segments();
    return failures > 0;
}
