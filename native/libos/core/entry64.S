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

/* An application may declare main without its arguments. Called from here, that is no difference of types. */
    .section .text.nx_call_main, "ax"
    .globl nx_call_main
    .type nx_call_main, @function
nx_call_main:
    jmp main
    .size nx_call_main, . - nx_call_main
    .section .note.GNU-stack, "", @progbits
