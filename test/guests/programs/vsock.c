/*
 * A vsock guest of one connection at a time. First the heartbeat as an enclave's init does it: a byte to the parent's
 * port 9000 and back. Then it accepts connections at port 5005 and echoes what comes, until `connections=` have ended.
 */
#include "guest.h"

#define DEVICE_VSOCK 19
#define PARENT 3
#define HEARTBEAT_PORT 9000
#define HEARTBEAT 0xb7
#define ECHO_PORT 5005
#define OWN_PORT 1024
#define BUFFERS 8
#define BUFFER 4096
#define WINDOW 65536

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };

struct header {
	uint64_t from_cid, to_cid;
	uint32_t from_port, to_port, length;
	uint16_t type, operation;
	uint32_t flags, window, taken;
} __attribute__((packed));

static struct virtio device;
static struct virtqueue receive, transmit, events;
static uint8_t *buffers, *outgoing;
static uint64_t own_cid;
static uint32_t taken;
static int connected;

static struct header *next_packet(uint16_t *buffer)
{
	*buffer = virtio_wait(&device, &receive, 0);
	return (struct header *)(buffers + *buffer * BUFFER);
}

static void give_back(uint16_t buffer) { virtio_offer(&device, &receive, buffer); }

static void send(const struct header *to, uint16_t operation, uint32_t flags, const uint8_t *data, uint32_t length)
{
	struct header *packet = (struct header *)outgoing;

	*packet = (struct header){ own_cid, to->from_cid, to->to_port, to->from_port, length, 1, operation, flags, WINDOW, taken };
	copy(outgoing + sizeof *packet, data, length);
	transmit.descriptors[0].address = (uint64_t)outgoing;
	transmit.descriptors[0].length = (uint32_t)sizeof *packet + length;
	transmit.descriptors[0].flags = 0;
	virtio_offer(&device, &transmit, 0);
	virtio_wait(&device, &transmit, 0);
}

static void heartbeat(void)
{
	const struct header parent = { PARENT, own_cid, HEARTBEAT_PORT, OWN_PORT, 0, 1, 0, 0, 0, 0 };
	const uint8_t byte = HEARTBEAT;
	uint16_t buffer;

	send(&parent, REQUEST, 0, 0, 0);
	for (;;) {
		struct header *packet = next_packet(&buffer);
		uint16_t operation = packet->operation;
		uint8_t answer = *(uint8_t *)(packet + 1);

		give_back(buffer);
		if (operation == RESPONSE)
			send(&parent, RW, 0, &byte, 1);
		if (operation == RST) {
			print("no heartbeat\n");
			return;
		}
		if (operation == RW) {
			print(answer == HEARTBEAT ? "heartbeat\n" : "wrong heartbeat\n");
			send(&parent, RST, 0, 0, 0);
			return;
		}
	}
}

/* @returns 1 when the connection has ended */
static int serve(const struct header *packet, const uint8_t *data)
{
	int ended = 0;

	switch (packet->operation) {
	case REQUEST:
		connected = packet->to_port == ECHO_PORT;
		taken = 0;
		send(packet, connected ? RESPONSE : RST, 0, 0, 0);
		break;
	case RW:
		taken += packet->length;
		send(packet, RW, 0, data, packet->length);
		break;
	case CREDIT_REQUEST:
		send(packet, CREDIT_UPDATE, 0, 0, 0);
		break;
	case SHUTDOWN:
		send(packet, RST, 0, 0, 0);
		/* fall through */
	case RST:
		ended = connected;
		connected = 0;
		break;
	}
	return ended;
}

void run(void)
{
	uint64_t connections = option_number("connections", 1);

	if (!virtio_find(&device, DEVICE_VSOCK)) {
		print("no vsock\n");
		return;
	}
	buffers = allocate(BUFFERS * BUFFER, 4096);
	outgoing = allocate(BUFFER + 64, 16);
	virtio_begin(&device);
	virtio_queue(&device, &receive, 0, BUFFERS);
	virtio_queue(&device, &transmit, 1, 2);
	virtio_queue(&device, &events, 2, 2);
	own_cid = read32(device.base + 0x100);
	virtio_ready(&device);
	for (uint16_t i = 0; i < BUFFERS; i++) {
		receive.descriptors[i].address = (uint64_t)(buffers + i * BUFFER);
		receive.descriptors[i].length = BUFFER;
		receive.descriptors[i].flags = DESCRIPTOR_WRITE;
		give_back(i);
	}
	print("cid ");
	print_hex(own_cid);
	print("\n");
	if (!option_is("heartbeat", "0"))
		heartbeat();
	print("ready\n");
	for (uint64_t ended = 0; ended < connections;) {
		uint16_t buffer;
		struct header *packet = next_packet(&buffer);

		ended += (uint64_t)serve(packet, (uint8_t *)(packet + 1));
		give_back(buffer);
	}
	print("done\n");
}
