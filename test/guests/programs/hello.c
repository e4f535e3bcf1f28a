/* Says hello, shows its command line's `say=`, and ends as `end=` tells: reset, triple, acpi, off, halt, spin, panic. */
#include "guest.h"

void run(void)
{
	const char *word = option("say");

	print("hello from the enclave\n");
	if (word) {
		while (*word && *word != ' ')
			put_char(*word++);
		put_char('\n');
	}
	if (option_is("end", "triple"))
		reset_by_triple_fault();
	if (option_is("end", "acpi"))
		reset_by_acpi();
	if (option_is("end", "panic")) {
		/* A pvpanic device, if there is one: panicked. */
		outb(0x505, inb(0x505) & 1);
		stop();
	}
	if (option_is("end", "off"))
		power_off();
	if (option_is("end", "halt"))
		stop();
	if (option_is("end", "spin"))
		for (;;)
			pause_cpu();
}
