/* Where tenders enter: 64-bit mode, rdi = struct nx_boot. Sets what a loader may have left otherwise: the
 * stack, the direction flag, and the floating-point units (a loader's own x87 precision gives wrong
 * digits). */
#define NX_IMAGE_ADDRESS 0x300000 /* NX_IMAGE; start.c asserts it */

    .section .text.entry64, "ax"
    .code64
    .globl entry64
    .type entry64, @function
entry64:
    cld
    mov $NX_IMAGE_ADDRESS, %esp
    xor %ebp, %ebp
    fninit
    push $0x1f80        /* all exceptions masked, round to nearest */
    ldmxcsr (%rsp)
    add $8, %rsp
    call nx_start
    ud2
    .size entry64, . - entry64
    .section .note.GNU-stack, "", @progbits
