/*
 * Sends requests to the Nitro Secure Module and prints the answers, all in hexadecimal. With `request=HEX` that one; else
 * DescribeNSM, DescribePCR 0 and GetRandom.
 */
#include "guest.h"

#define DEVICE_NSM 33
#define RESPONSE 0x3000

static struct virtio device;
static struct virtqueue queue;
static uint8_t *request, *response;

/* The driver's way: two chains, the request and room for the response (drivers/misc/nsm.c). */
static void ask(uint32_t count)
{
	uint32_t length = 0, answer = 0;

	queue.descriptors[0].address = (uint64_t)request;
	queue.descriptors[0].length = count;
	queue.descriptors[0].flags = 0;
	queue.descriptors[1].address = (uint64_t)response;
	queue.descriptors[1].length = RESPONSE;
	queue.descriptors[1].flags = DESCRIPTOR_WRITE;
	virtio_offer(&device, &queue, 0);
	virtio_offer(&device, &queue, 1);
	for (int i = 0; i < 2; i++)
		if (virtio_wait(&device, &queue, &length) == 1)
			answer = length;
	print_bytes(response, answer);
	print("\n");
}

static void ask_text(const char *text, uint32_t count)
{
	copy(request, text, count);
	ask(count);
}

void run(void)
{
	const char *hex = option("request");

	if (!virtio_find(&device, DEVICE_NSM)) {
		print("no NSM\n");
		return;
	}
	request = allocate(0x1000, 16);
	response = allocate(RESPONSE, 16);
	virtio_begin(&device);
	virtio_queue(&device, &queue, 0, 2);
	virtio_ready(&device);
	if (hex) {
		uint32_t count = 0;
		for (; *hex && *hex != ' '; hex += 2, count++) {
			uint8_t high = (uint8_t)(hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10);
			uint8_t low = (uint8_t)(hex[1] <= '9' ? hex[1] - '0' : hex[1] - 'a' + 10);
			request[count] = (uint8_t)(high << 4 | low);
		}
		ask(count);
		return;
	}
	ask_text("\x6b" "DescribeNSM", 12);
	ask_text("\xa1\x6b" "DescribePCR" "\xa1\x65" "index" "\x00", 21);
	ask_text("\x69" "GetRandom", 10);
}
