# Firmware that brings QEMU's CPU from reset into the state that src/hw/i386/cpu-state.ts describes; the values come as
# symbols on the assembler's command line. Assembled for 0xf0000, so that the last 16 bytes are the reset vector.
	.code16
	.org 0xf000
start:
	cli
	lgdtl %cs:gdtr
	movl $CR4, %eax
	movl %eax, %cr4
	movl $CR3, %eax
	movl %eax, %cr3
.if LONG
	movl $0xc0000080, %ecx
	movl $0x100, %eax
	xorl %edx, %edx
	wrmsr
.endif
	movl $CR0, %eax
	movl %eax, %cr0
	ljmpl $CODE, $(0xf0000 + protected)
.if LONG
	.code64
.else
	.code32
.endif
protected:
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl %eax, %ss
	movl $RBX, %ebx
	movl $RSI, %esi
	movl $RSP, %esp
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %edi, %edi
	xorl %ebp, %ebp
.if LONG
	pushq $2
	popfq
	jmp *entry(%rip)
.else
	jmp *(0xf0000 + entry)
.endif
entry:
	.quad RIP
	.code16
gdtr:
	.word GDT_LIMIT
	.long GDT_BASE
	.org 0xfff0
	ljmpw $0xf000, $start
	.org 0x10000
