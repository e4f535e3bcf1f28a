/* Sends a text by the serial port's interrupt, echoes a line by its receive interrupt, and counts NMIs if `nmi=1`. */
#include "guest.h"

#define SERIAL 0x3f8
#define SERIAL_LINE 4
#define VECTOR 40

static const char *volatile left = "sent by interrupts\n";
static volatile uint32_t interrupts, nmis;
static char line[80];
static volatile uint32_t length, complete;

void on_interrupt(uint64_t vector)
{
	if (vector == 2) {
		nmis++;
		return;
	}
	interrupts++;
	for (uint8_t cause; ((cause = inb(SERIAL + 2)) & 1) == 0;) {
		if ((cause & 0x0e) == 0x02) {
			if (*left)
				outb(SERIAL, (uint8_t)*left++);
		} else {
			while (inb(SERIAL + 5) & 1) {
				char c = (char)inb(SERIAL);
				if (c == '\n')
					complete = 1;
				else if (length < sizeof line - 1)
					line[length++] = c;
			}
		}
	}
	interrupt_done();
}

void run(void)
{
	interrupts_begin();
	interrupt_route(SERIAL_LINE, VECTOR);
	outb(SERIAL + 2, 1);
	outb(SERIAL + 1, 2);
	while (*left)
		halt_until_interrupt();
	outb(SERIAL + 1, 1);
	print(interrupts > 0 ? "interrupts came\n" : "no interrupts\n");
	while (!complete)
		halt_until_interrupt();
	outb(SERIAL + 1, 0);
	print("line: ");
	print(line);
	print("\n");
	if (option_is("nmi", "1")) {
		print("waiting for an NMI\n");
		while (!nmis)
			__asm__ volatile("hlt");
		print("NMI\n");
	}
}
