# Where other CPUs begin, in real mode: copied to 0x8000, the page that SIPI vector 8 names. They take the tables of the
# first CPU, whose addresses it leaves at the end of the page.
        .text
        .globl  smp_begin, smp_end
smp_begin:
        .code16
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   0x8ff0
        movl    0x8fe0, %eax
        movl    %eax, %cr3
        movl    $0x20, %eax
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx
        movl    $0x100, %eax
        xorl    %edx, %edx
        wrmsr
        movl    $0x80000011, %eax
        movl    %eax, %cr0
        ljmpl   $0x10, $(0x8000 + smp_long - smp_begin)
        .code64
smp_long:
        movl    $0x18, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movq    0x8fe8, %rsp
        movq    $other_cpu, %rax
        call    *%rax
1:      cli
        hlt
        jmp     1b
smp_end:

