/* A small image, made by hand: three segments, as a linker would lay them. Tests change one field of it. */
#ifndef MADE_IMAGE_H
#define MADE_IMAGE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define MADE_SIZE 0x3100u /* bytes of the file */
#define MADE_LIMIT 0x1200000u

struct made_image {
    Elf64_Ehdr e;
    Elf64_Phdr p[4];
};

static inline void make_image(struct made_image *made)
{
    static const Elf64_Ehdr e = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = 0x301010,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 4,
    };
    memset(made, 0, sizeof *made);
    made->e = e;
    made->p[0] = (Elf64_Phdr){PT_LOAD, PF_R, 0, 0x300000, 0x300000, 0x200, 0x200, 0x1000};
    made->p[1] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0x1000, 0x301000, 0x301000, 0x1800, 0x1800, 0x1000};
    made->p[2] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0x3000, 0x303000, 0x303000, 0x100, 0x5000, 0x1000};
    made->p[3] = (Elf64_Phdr){.p_type = PT_NOTE, .p_flags = PF_R, .p_offset = 0x158, .p_filesz = 20};
}

#endif
