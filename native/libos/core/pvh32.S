/* From PVH's entry (32 bits, no paging, ebx: struct pvh_start) to entry64. All privileged instructions of
 * an image are here, in the section .boot; tenders that enter at entry64 never come by. */

/* Below NX_BASE, so that the guest's own mapping does not reach them. */
#define FIRST_TABLES 0x100000  /* all 4 GiB, to read what the loader left */
#define GUEST_TABLES 0x108000  /* pvh.c writes them */

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long _start32

    .section .boot, "ax", @progbits
    .code32
    .globl _start32
    .type _start32, @function
_start32:
    cli
    cld
    mov $FIRST_TABLES, %edi
    xor %eax, %eax
    mov $(2 * 4096 / 4), %ecx
    rep stosl
    movl $(FIRST_TABLES + 0x1003), FIRST_TABLES
    mov $(FIRST_TABLES + 0x2003), %eax
    mov $(FIRST_TABLES + 0x1000), %edi
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 1b
    mov $(FIRST_TABLES + 0x2000), %edi
    mov $0x83, %eax             /* present, writable, 2 MiB */
    mov $2048, %ecx
2:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 2b

    mov $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $FIRST_TABLES, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER: long mode, no-execute */
    rdmsr
    or $0x900, %eax
    wrmsr
    mov $0x80010023, %eax       /* paging, write protection for ring 0, FPU errors by exception, MP, PE */
    mov %eax, %cr0
    lgdt table_register
    ljmp $8, $long_mode

    .code64
long_mode:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x300000, %esp         /* NX_IMAGE: the stack's top */
    xor %ebp, %ebp
    mov %ebx, %edi
    call nx_pvh_enter
    mov %rax, %rdi
    mov $GUEST_TABLES, %eax
    mov %rax, %cr3
    jmp entry64
    .size _start32, . - _start32

    .globl nx_pvh_reset
    .type nx_pvh_reset, @function
nx_pvh_reset:
    lidt no_handlers
    ud2
    .size nx_pvh_reset, . - nx_pvh_reset

    .balign 8
table:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
table_register:
    .word . - table - 1
    .long table
no_handlers:
    .word 0
    .quad 0
    .section .note.GNU-stack, "", @progbits
