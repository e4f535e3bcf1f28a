# Runs a script of register accesses on the chips of the machine it is booted on (QEMU, by multiboot) and tells what it
# saw. The script is the multiboot module: records of 16 bytes {cpu u8, op u8, pad u16, address u32, value u32, pad u32}.
# The answers go to port 0xe9: records of 32 bytes {TSC before the access u64, TSC ticks it took u32, value u32,
# NMIs so far u32, pad}. Every access comes 5 instructions after the TSC is read.
# All CPUs run the same loop; each takes the records of its number, in the order of the script.

.set RESULTS, 0x800000
.set TRAMPOLINE, 0x8000
.set STACKS, 0x700000

.code32
.globl _start
_start:
    jmp boot
.align 4
    .long 0x1badb002, 1, -(0x1badb002 + 1)

boot:
    cld
    mov 24(%ebx), %eax          # first module
    mov (%eax), %eax
    mov %eax, script
    lgdt gdtr
    ljmp $8, $1f
1:  mov $16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss

    mov $stubs, %eax            # 256 gates
    mov $idt, %edi
    mov $256, %ecx
2:  mov %ax, (%edi)
    movw $8, 2(%edi)
    movw $0x8e00, 4(%edi)
    mov %eax, %edx
    shr $16, %edx
    mov %dx, 6(%edi)
    add $16, %eax
    add $8, %edi
    loop 2b
    lidt idtr

    mov $trampoline, %esi
    mov $TRAMPOLINE, %edi
    mov $trampoline_end - trampoline, %ecx
    rep movsb

    movl $0x1ff, 0xfee000f0     # local APIC on, INIT and SIPI to all others
    movl $0xc4500, 0xfee00300
    mov $100000, %ecx
3:  loop 3b
    movl $0xc4600 + TRAMPOLINE / 0x1000, 0xfee00300

cpu:                            # ebp: this CPU
    mov 0xfee00020, %ebp
    shr $24, %ebp
    mov %ebp, %esp
    shl $12, %esp
    add $STACKS + 0x1000, %esp

next:
    mov index, %eax
    mov %eax, %edi
    shl $4, %eax
    add script, %eax
    mov %eax, %esi
    shl $5, %edi
    add $RESULTS, %edi
    movzbl (%esi), %eax
    cmp $0xff, %eax
    je end
    cmp %eax, %ebp
    je mine
    pause
    jmp next

mine:
    movzbl 1(%esi), %eax
    mov 4(%esi), %ebx
    mov 8(%esi), %ecx
    jmp *ops(, %eax, 4)

.macro stamp
    rdtsc
    mov %eax, (%edi)
    mov %edx, 4(%edi)
.endm

op_outb:
    stamp
    mov %ebx, %edx
    mov %ecx, %eax
    out %al, (%dx)
    jmp done
op_inb:
    stamp
    mov %ebx, %edx
    xor %eax, %eax
    in (%dx), %al
    mov %eax, 12(%edi)
    jmp done
op_write:
    stamp
    nop
    nop
    mov %ecx, (%ebx)
    jmp done
op_read:
    stamp
    nop
    nop
    mov (%ebx), %eax
    mov %eax, 12(%edi)
    jmp done
op_take:                        # one interrupt, if there is one: its vector + 1
    movl $0, taken(, %ebp, 4)
    stamp
    nop
    nop
    sti
    jmp 1f
1:  jmp 2f
2:  jmp 3f
3:  cli
    mov taken(, %ebp, 4), %eax
    mov %eax, 12(%edi)
    jmp done
op_wait:                        # ecx TSC ticks
    stamp
    add (%edi), %ecx
1:  rdtsc
    sub %ecx, %eax
    js 1b

done:
    rdtsc
    sub (%edi), %eax
    mov %eax, 8(%edi)
    mov nmis(, %ebp, 4), %eax
    mov %eax, 16(%edi)
    incl index
    jmp next

end:
    cmp $0, %ebp
    je 1f
    hlt
    jmp end
1:  mov index, %ecx
    shl $5, %ecx
    mov $RESULTS, %esi
    mov $0xe9, %edx
    rep outsb
    mov $0x501, %edx
    out %al, (%dx)
    jmp .

interrupt:                      # stack: vector, eip, cs, eflags
    xchg (%esp), %eax
    push %ebx
    mov 0xfee00020, %ebx
    shr $24, %ebx
    cmp $2, %eax
    jne 1f
    incl nmis(, %ebx, 4)
    jmp 2f
1:  inc %eax
    mov %eax, taken(, %ebx, 4)
    andl $~0x200, 16(%esp)
2:  pop %ebx
    pop %eax
    iret

.code16
trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + trampoline_gdtr - trampoline
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $8, $started
.align 4
trampoline_gdtr:
    .word 23
    .long gdt
trampoline_end:
.code32
started:
    mov $16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    lidt idtr
    movl $0x1ff, 0xfee000f0
    jmp cpu

.align 16
stubs:
.set vector, 0
.rept 256
    .align 16
    push $vector
    jmp interrupt
    .set vector, vector + 1
.endr

.data
.align 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    .word 23
    .long gdt
idtr:
    .word 2047
    .long idt
ops:
    .long op_outb, op_inb, op_write, op_read, op_take, op_wait
script:
    .long 0
index:
    .long 0
taken:
    .fill 8, 4, 0
nmis:
    .fill 8, 4, 0
.bss
.align 8
idt:
    .skip 2048
