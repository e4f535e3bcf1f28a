/* What the guest programs share: a console, a command line, interrupts, and a driver of virtio-mmio. */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

/* Each program's own part; the machine is reset when it returns. */
void run(void);
/* Called with interrupts off. */
void on_interrupt(uint64_t vector);

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void write32(uint64_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
static inline uint32_t read32(uint64_t address) { return *(volatile uint32_t *)address; }

static inline void pause_cpu(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void barrier(void) { __asm__ volatile("mfence" : : : "memory"); }
static inline void halt_until_interrupt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void put_char(char c);
void print(const char *text);
/* Hexadecimal, without leading zeros. */
void print_hex(uint64_t value);
void print_bytes(const uint8_t *bytes, uint32_t count);

/* Text behind `name=` on the command line, ended by a space or the end; 0 when it is not there. */
const char *option(const char *name);
int option_is(const char *name, const char *value);
uint64_t option_number(const char *name, uint64_t absent);

void copy(void *to, const void *from, uint64_t count);
void clear(void *at, uint64_t count);
/* Memory that nobody else has, zeroed; alignment is a power of two. */
void *allocate(uint64_t count, uint64_t alignment);

/* The physical memory map that the loader passed on. */
struct memory_range { uint64_t base, size; uint32_t type; } __attribute__((packed));
uint32_t memory_map(const struct memory_range **ranges);

/* Ends of the machine. */
void reset_by_keyboard(void) __attribute__((noreturn));
void reset_by_triple_fault(void) __attribute__((noreturn));
void reset_by_acpi(void) __attribute__((noreturn));
void power_off(void) __attribute__((noreturn));
void stop(void) __attribute__((noreturn));

#define LOCAL_APIC 0xfee00000ul

/* The IDT, the local APIC and, by the I/O APIC, one line as an edge to a vector from 32 to 63. */
void interrupts_begin(void);
void interrupt_route(uint32_t line, uint8_t vector);
void interrupt_done(void);

/* A virtio device behind the transport at `base`. */
struct virtqueue {
	uint32_t index, size;
	struct { uint64_t address; uint32_t length; uint16_t flags, next; } *descriptors;
	volatile struct { uint16_t flags, index, ring[]; } *available;
	volatile struct { uint16_t flags, index; struct { uint32_t id, length; } ring[]; } *used;
	uint16_t seen;
};

struct virtio {
	uint64_t base;
	uint32_t line;
};

#define DESCRIPTOR_NEXT 1
#define DESCRIPTOR_WRITE 2

/* The transport with a device of that kind; its address and line come from the command line. @returns 0 when there is none */
int virtio_find(struct virtio *device, uint32_t device_id);
void virtio_begin(struct virtio *device);
void virtio_queue(struct virtio *device, struct virtqueue *queue, uint32_t index, uint32_t size);
void virtio_ready(struct virtio *device);
/* Descriptor `head` and those it leads to are the device's. */
void virtio_offer(struct virtio *device, struct virtqueue *queue, uint16_t head);
/* Waits for the device to use a chain. @returns its head; its length by pointer */
uint16_t virtio_wait(struct virtio *device, struct virtqueue *queue, uint32_t *length);
/* Whether the device has used a chain that was not taken yet. */
int virtio_used(struct virtqueue *queue);

#endif
