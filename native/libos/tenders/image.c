#include "image.h"

#include "nx_abi.h"

#include <linux/elf.h>

#define PAGE_END(address) (((address) + NX_PAGE - 1) & ~(uint64_t)(NX_PAGE - 1))
#define PAGE_START(address) ((address) & ~(uint64_t)(NX_PAGE - 1))

static const char *header(const Elf64_Ehdr *e, size_t size, uint64_t file_size)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    if (__builtin_memcmp(e->e_ident, magic, sizeof magic) != 0)
        return "not an ELF file";
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB)
        return "not a 64-bit little-endian ELF file";
    if (e->e_ident[EI_VERSION] != EV_CURRENT || e->e_version != EV_CURRENT)
        return "an ELF file of an unknown version";
    if (e->e_type != ET_EXEC)
        return "not a statically linked program (ET_EXEC)";
    if (e->e_machine != EM_X86_64)
        return "not for x86-64";
    if (e->e_ehsize != sizeof *e || e->e_phentsize != sizeof(Elf64_Phdr))
        return "headers of an unknown size";
    if (e->e_phnum == 0)
        return "it has no program headers";
    uint64_t bytes = (uint64_t)e->e_phnum * sizeof(Elf64_Phdr);
    if (e->e_phoff > size || bytes > size - e->e_phoff)
        return bytes > file_size || e->e_phoff > file_size - bytes
                   ? "the program headers lie outside of the file"
                   : "the program headers lie beyond the first 4096 bytes";
    return NULL;
}

/* One PT_LOAD, `from` being the first page that is free. */
static const char *segment(const Elf64_Phdr *p, uint64_t file_size, uint64_t from, uint64_t limit)
{
    if (p->p_flags & ~(Elf64_Word)(PF_R | PF_W | PF_X))
        return "a segment has unknown flags";
    if (!(p->p_flags & PF_R))
        return "a segment is not readable";
    if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
        return "a segment is both writable and executable";
    if (p->p_filesz > p->p_memsz)
        return "a segment is larger in the file than in memory";
    if (p->p_offset > file_size || p->p_filesz > file_size - p->p_offset)
        return "a segment lies outside of the file";
    if (p->p_vaddr != p->p_paddr)
        return "a segment's virtual and physical addresses differ";
    if (p->p_vaddr < NX_IMAGE)
        return "a segment lies below the image's place (0x300000)";
    if (p->p_vaddr > limit || p->p_memsz > limit - p->p_vaddr)
        return "a segment does not fit into the guest's memory";
    if (PAGE_START(p->p_vaddr) < from)
        return "two segments share a page, or are not in order";
    if (p->p_vaddr % NX_PAGE != p->p_offset % NX_PAGE)
        return "a segment's place in the file does not match its address (page size 4096)";
    return NULL;
}

const char *nx_image_check(const uint8_t *head, size_t size, uint64_t file_size, uint64_t limit,
                           struct nx_image *image)
{
    Elf64_Ehdr e;
    if (size < sizeof e)
        return "shorter than an ELF header";
    __builtin_memcpy(&e, head, sizeof e);
    const char *why = header(&e, size, file_size);
    if (why)
        return why;
    image->entry = e.e_entry;
    image->count = 0;
    image->end = NX_IMAGE;
    int entered = 0;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;
        __builtin_memcpy(&p, head + e.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type == PT_INTERP || p.p_type == PT_DYNAMIC)
            return "dynamically linked";
        if (p.p_type == PT_TLS)
            return "it has thread-local variables";
        if (p.p_type != PT_LOAD || (p.p_memsz == 0 && p.p_filesz == 0))
            continue;
        why = segment(&p, file_size, image->end, limit);
        if (why)
            return why;
        if (image->count == NX_SEGMENTS_MAX)
            return "more than 8 segments";
        const unsigned access =
            NX_READ | (p.p_flags & PF_W ? NX_WRITE : 0) | (p.p_flags & PF_X ? NX_EXECUTE : 0);
        image->segments[image->count++] =
            (struct nx_segment){p.p_vaddr, p.p_filesz, p.p_memsz, p.p_offset, access};
        image->end = PAGE_END(p.p_vaddr + p.p_memsz);
        if ((p.p_flags & PF_X) && e.e_entry >= p.p_vaddr && e.e_entry - p.p_vaddr < p.p_filesz)
            entered = 1;
    }
    if (image->count == 0)
        return "it has no segment to load";
    if (!entered)
        return "its entry is not in its code";
    return NULL;
}
