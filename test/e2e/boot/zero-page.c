/* Prints what the kernel's own header finds in a zero page given on standard input. */
#include <asm/bootparam.h>
#include <stdio.h>

int main(void)
{
	static struct boot_params p;
	unsigned long long cmdline, image, size;

	if (fread(&p, 1, sizeof(p), stdin) != sizeof(p))
		return 1;
	cmdline = p.hdr.cmd_line_ptr | (unsigned long long)p.ext_cmd_line_ptr << 32;
	image = p.hdr.ramdisk_image | (unsigned long long)p.ext_ramdisk_image << 32;
	size = p.hdr.ramdisk_size | (unsigned long long)p.ext_ramdisk_size << 32;
	printf("{\"size\":%zu,\"cmdline\":%llu,\"ramdisk\":[%llu,%llu],", sizeof(p), cmdline, image, size);
	printf("\"type_of_loader\":%u,\"rsdp\":%llu,\"e820\":[", p.hdr.type_of_loader,
	       (unsigned long long)p.acpi_rsdp_addr);
	for (int i = 0; i < p.e820_entries; i++)
		printf("%s[%llu,%llu,%u]", i ? "," : "", (unsigned long long)p.e820_table[i].addr,
		       (unsigned long long)p.e820_table[i].size, p.e820_table[i].type);
	puts("]}");
	return 0;
}
