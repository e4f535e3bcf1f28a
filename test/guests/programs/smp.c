/* Starts every other CPU by INIT and SIPI; each adds its mark, then all count together. `cpus=` tells how many there are. */
#include "guest.h"

#define TRAMPOLINE 0x8000ul
#define ICR_LOW 0x300
#define ICR_HIGH 0x310
#define INIT 0x4500
#define STARTUP 0x4608
#define STACK 8192

extern char smp_begin[], smp_end[];
static volatile uint32_t started, total;

void other_cpu(void)
{
	__sync_fetch_and_add(&total, read32(LOCAL_APIC + 0x20) >> 24);
	__sync_fetch_and_add(&started, 1);
}

static void spin(uint32_t turns)
{
	while (turns--)
		pause_cpu();
}

void run(void)
{
	uint32_t cpus = (uint32_t)option_number("cpus", 2);
	uint64_t cr3;

	copy((void *)TRAMPOLINE, smp_begin, (uint64_t)(smp_end - smp_begin));
	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	*(volatile uint32_t *)(TRAMPOLINE + 0xfe0) = (uint32_t)cr3;
	__asm__ volatile("sgdt 0x8ff0" : : : "memory");
	write32(LOCAL_APIC + 0xf0, 0x13f);
	for (uint32_t cpu = 1; cpu < cpus; cpu++) {
		*(volatile uint64_t *)(TRAMPOLINE + 0xfe8) = (uint64_t)allocate(STACK, 16) + STACK;
		write32(LOCAL_APIC + ICR_HIGH, cpu << 24);
		write32(LOCAL_APIC + ICR_LOW, INIT);
		spin(200);
		write32(LOCAL_APIC + ICR_HIGH, cpu << 24);
		write32(LOCAL_APIC + ICR_LOW, STARTUP);
		while (started < cpu)
			pause_cpu();
	}
	print("cpus ");
	print_hex(started + 1);
	print(" sum of ids ");
	print_hex(total);
	print("\n");
	if (option_is("end", "spin")) {
		for (;;)
			pause_cpu();
	}
}
