#include "guest.h"

/* struct boot_params of Linux, by offset. */
#define BOOT_E820_COUNT 0x1e8
#define BOOT_COMMAND_LINE 0x228
#define BOOT_E820 0x2d0

#define SERIAL 0x3f8
#define SERIAL_READY 0x20
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define ACPI_SLEEP 0xfea00200ul
#define ACPI_RESET 0xfea00202ul

/* Page tables of the loader (hw/i386: memory-layout). */
#define PAGE_DIRECTORIES 0xa000ul
#define PRESENT_WRITABLE 0x3
#define LARGE_PAGE 0x80
#define UNCACHED 0x18
#define TWO_MIB 0x200000ul
#define DEVICES 0xfe000000ul

#define IO_APIC 0xfec00000ul
#define APIC_SPURIOUS 0xf0
#define APIC_EOI 0xb0

static const uint8_t *boot;
static uint64_t device_pages[512] __attribute__((aligned(4096)));
static struct { uint16_t low, selector; uint8_t stack, type; uint16_t middle; uint32_t high, zero; } idt[64];
static uint8_t heap[0x80000] __attribute__((aligned(4096)));
static uint64_t heap_used;

extern char interrupt_entries[], nmi_entry[];

__attribute__((weak)) void on_interrupt(uint64_t vector) { (void)vector; }

void guest_start(const uint8_t *boot_params)
{
	boot = boot_params;
	/* The last 32 MiB below 4 GiB, where all devices are. */
	for (uint64_t at = DEVICES; at < 0x100000000ul; at += TWO_MIB)
		device_pages[at / TWO_MIB % 512] = at | LARGE_PAGE | UNCACHED | PRESENT_WRITABLE;
	((uint64_t *)PAGE_DIRECTORIES)[3] = (uint64_t)device_pages | PRESENT_WRITABLE;
	run();
	reset_by_keyboard();
}

void put_char(char c)
{
	while ((inb(SERIAL + 5) & SERIAL_READY) == 0)
		pause_cpu();
	outb(SERIAL, (uint8_t)c);
}

void print(const char *text)
{
	while (*text)
		put_char(*text++);
}

void print_hex(uint64_t value)
{
	int shift = 60;

	while (shift > 0 && (value >> shift) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

void print_bytes(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		put_char("0123456789abcdef"[bytes[i] >> 4]);
		put_char("0123456789abcdef"[bytes[i] & 15]);
	}
}

static const char *command_line(void) { return (const char *)(uint64_t)*(const uint32_t *)(boot + BOOT_COMMAND_LINE); }

/* @returns what follows `name` in `text`, 0 if it begins otherwise */
static const char *after(const char *text, const char *name)
{
	while (*name)
		if (*text++ != *name++)
			return 0;
	return text;
}

static const char *next_word(const char *at)
{
	while (*at && *at != ' ')
		at++;
	while (*at == ' ')
		at++;
	return at;
}

const char *option(const char *name)
{
	for (const char *at = command_line(); *at; at = next_word(at)) {
		const char *value = after(at, name);
		if (value && *value == '=')
			return value + 1;
	}
	return 0;
}

int option_is(const char *name, const char *value)
{
	const char *given = option(name);
	const char *rest = given ? after(given, value) : 0;
	return rest && (*rest == 0 || *rest == ' ');
}

/* Digits of base 10, or of base 16 after 0x. @returns where they end */
static const char *number(const char *at, uint64_t *value)
{
	uint32_t base = at[0] == '0' && at[1] == 'x' ? 16 : 10;

	if (base == 16)
		at += 2;
	for (*value = 0;; at++) {
		uint32_t digit = *at >= '0' && *at <= '9' ? (uint32_t)(*at - '0') : (*at | 32) >= 'a' ? (uint32_t)((*at | 32) - 'a' + 10) : 99;
		if (digit >= base)
			return at;
		*value = *value * base + digit;
	}
}

uint64_t option_number(const char *name, uint64_t absent)
{
	const char *given = option(name);
	if (given)
		number(given, &absent);
	return absent;
}

void copy(void *to, const void *from, uint64_t count)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void clear(void *at, uint64_t count)
{
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(0) : "memory");
}

void *allocate(uint64_t count, uint64_t alignment)
{
	uint64_t at = (heap_used + alignment - 1) & ~(alignment - 1);
	heap_used = at + count;
	if (heap_used > sizeof heap) {
		print("out of memory\n");
		stop();
	}
	return heap + at;
}

uint32_t memory_map(const struct memory_range **ranges)
{
	*ranges = (const struct memory_range *)(boot + BOOT_E820);
	return boot[BOOT_E820_COUNT];
}

void stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void reset_by_keyboard(void)
{
	outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
	stop();
}

void reset_by_triple_fault(void)
{
	static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none;

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	stop();
}

void reset_by_acpi(void)
{
	*(volatile uint8_t *)ACPI_RESET = 0x42;
	stop();
}

void power_off(void)
{
	*(volatile uint8_t *)ACPI_SLEEP = 0x34;
	stop();
}

static void set_gate(uint32_t vector, const char *entry)
{
	uint64_t address = (uint64_t)entry;

	idt[vector].low = (uint16_t)address;
	idt[vector].selector = 0x10;
	idt[vector].type = 0x8e;
	idt[vector].middle = (uint16_t)(address >> 16);
	idt[vector].high = (uint32_t)(address >> 32);
}

void interrupts_begin(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = { sizeof idt - 1, (uint64_t)idt };

	set_gate(2, nmi_entry);
	for (uint32_t vector = 32; vector < 64; vector++)
		set_gate(vector, interrupt_entries + (vector - 32) * 16);
	__asm__ volatile("lidt %0" : : "m"(table));
	/* The legacy controllers are not used. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	write32(LOCAL_APIC + APIC_SPURIOUS, 0x100 | 63);
}

void interrupt_route(uint32_t line, uint8_t vector)
{
	write32(IO_APIC, 0x10 + 2 * line + 1);
	write32(IO_APIC + 0x10, read32(LOCAL_APIC + 0x20) & 0xff000000);
	write32(IO_APIC, 0x10 + 2 * line);
	write32(IO_APIC + 0x10, vector);
}

void interrupt_done(void) { write32(LOCAL_APIC + APIC_EOI, 0); }

/* Registers of virtio-mmio, version 2 (virtio 1.2, 4.2.2). */
enum {
	MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, FEATURES = 0x010, FEATURES_PAGE = 0x014, ACCEPT = 0x020,
	ACCEPT_PAGE = 0x024, QUEUE = 0x030, QUEUE_MAX = 0x034, QUEUE_SIZE = 0x038, QUEUE_READY = 0x044, NOTIFY = 0x050,
	INTERRUPT = 0x060, INTERRUPT_DONE = 0x064, STATUS = 0x070, DESCRIPTORS = 0x080, DRIVER = 0x090, DEVICE = 0x0a0,
};
#define VIRTIO_MAGIC 0x74726976

int virtio_find(struct virtio *device, uint32_t device_id)
{
	for (const char *at = command_line(); *at; at = next_word(at)) {
		const char *value = after(at, "virtio_mmio.device=");
		uint64_t size, line;
		if (!value)
			continue;
		value = number(value, &size);
		if (*value == 'K')
			value++;
		value = number(value + 1, &device->base);
		number(value + 1, &line);
		device->line = (uint32_t)line;
		if (read32(device->base + MAGIC) == VIRTIO_MAGIC && read32(device->base + VERSION) == 2 &&
		    read32(device->base + DEVICE_ID) == device_id)
			return 1;
	}
	return 0;
}

/* Takes VIRTIO_F_VERSION_1 and nothing else. */
void virtio_begin(struct virtio *device)
{
	uint64_t base = device->base;

	write32(base + STATUS, 0);
	write32(base + STATUS, 1);
	write32(base + STATUS, 3);
	write32(base + ACCEPT_PAGE, 0);
	write32(base + ACCEPT, 0);
	write32(base + ACCEPT_PAGE, 1);
	write32(base + ACCEPT, 1);
	write32(base + STATUS, 11);
	if ((read32(base + STATUS) & 8) == 0) {
		print("features refused\n");
		stop();
	}
}

void virtio_queue(struct virtio *device, struct virtqueue *queue, uint32_t index, uint32_t size)
{
	uint64_t base = device->base;

	queue->index = index;
	queue->size = size;
	queue->seen = 0;
	queue->descriptors = allocate(16 * size, 16);
	queue->available = allocate(6 + 2 * size, 2);
	queue->used = allocate(6 + 8 * size, 4);
	write32(base + QUEUE, index);
	write32(base + QUEUE_SIZE, size);
	write32(base + DESCRIPTORS, (uint32_t)(uint64_t)queue->descriptors);
	write32(base + DESCRIPTORS + 4, 0);
	write32(base + DRIVER, (uint32_t)(uint64_t)queue->available);
	write32(base + DRIVER + 4, 0);
	write32(base + DEVICE, (uint32_t)(uint64_t)queue->used);
	write32(base + DEVICE + 4, 0);
	write32(base + QUEUE_READY, 1);
}

void virtio_ready(struct virtio *device) { write32(device->base + STATUS, 15); }

void virtio_offer(struct virtio *device, struct virtqueue *queue, uint16_t head)
{
	uint16_t index = queue->available->index;

	queue->available->ring[index % queue->size] = head;
	barrier();
	queue->available->index = (uint16_t)(index + 1);
	barrier();
	write32(device->base + NOTIFY, queue->index);
}

int virtio_used(struct virtqueue *queue)
{
	barrier();
	return queue->used->index != queue->seen;
}

uint16_t virtio_wait(struct virtio *device, struct virtqueue *queue, uint32_t *length)
{
	uint32_t slot = queue->seen % queue->size;

	while (!virtio_used(queue))
		pause_cpu();
	queue->seen++;
	write32(device->base + INTERRUPT_DONE, read32(device->base + INTERRUPT));
	if (length)
		*length = queue->used->ring[slot].length;
	return (uint16_t)queue->used->ring[slot].id;
}
