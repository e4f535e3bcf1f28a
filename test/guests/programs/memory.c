/* Checks the memory map: each usable range is RAM at its first and last bytes, and what was written there stays apart. */
#include "guest.h"

#define RAM 1
#define MAPPED 0x40000000ul

void run(void)
{
	const struct memory_range *ranges;
	uint32_t count = memory_map(&ranges), bad = 0;

	for (uint32_t i = 0; i < count; i++) {
		print("range ");
		print_hex(ranges[i].base);
		print(" ");
		print_hex(ranges[i].size);
		print(" type ");
		print_hex(ranges[i].type);
		print("\n");
	}
	/* Above this program and below what the first page tables map. */
	for (uint64_t at = 0x1000000; at < MAPPED; at += 0x1000000)
		for (uint32_t i = 0; i < count; i++)
			if (ranges[i].type == RAM && at >= ranges[i].base && at + 8 <= ranges[i].base + ranges[i].size)
				*(volatile uint64_t *)at = at ^ 0x5a5a5a5a;
	for (uint64_t at = 0x1000000; at < MAPPED; at += 0x1000000)
		for (uint32_t i = 0; i < count; i++)
			if (ranges[i].type == RAM && at >= ranges[i].base && at + 8 <= ranges[i].base + ranges[i].size)
				bad += *(volatile uint64_t *)at != (at ^ 0x5a5a5a5a);
	print("bad ");
	print_hex(bad);
	print("\n");
}
