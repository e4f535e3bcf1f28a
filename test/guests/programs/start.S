# Entry by Linux's 64-bit boot protocol: RSI points to the zero page, the first GiB is mapped onto itself.

        .section .text.start, "ax"
        .globl _start
_start:
        cld
        leaq    stack_end(%rip), %rsp
        movq    %rsi, %rdi
        call    guest_start
1:      cli
        hlt
        jmp     1b

# Interrupt entries, 32 to 63: each leaves its number for the common part.
        .text
        .globl interrupt_entries
interrupt_entries:
        .set    vector, 32
        .rept   32
        .balign 16
        pushq   $vector
        jmp     interrupt_common
        .set    vector, vector + 1
        .endr

interrupt_common:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        movq    72(%rsp), %rdi
        cld
        call    on_interrupt
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $8, %rsp
        iretq

        .globl nmi_entry
nmi_entry:
        pushq   $2
        jmp     interrupt_common

        .bss
        .balign 16
        .skip   16384
stack_end:
