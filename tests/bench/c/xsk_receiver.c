// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The rival of Weir's receive path: AF_XDP over libxdp, sleeping in poll. For each packet it
 * reads the first bytes, counts, and gives the frame back to the fill ring, a batch at a time.
 * Answers each line on standard input with what it received since the line before, and with
 * the CPU time of this thread meanwhile.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/mman.h>
#include <xdp/xsk.h>
#include "../bpf/sink_abi.h"
#include "bench.h"

#define FRAMES     4096
#define FRAME_SIZE 2048
/*
 * The kernel says that it took frames from the fill ring after it has said that packets are in
 * the receive ring: with a ring of FRAMES entries there would be moments without room.
 */
#define FILL_SIZE        (2 * FRAMES)
#define POLL_TIMEOUT_MS  1000
#define WAKEUP_BUCKET_NS 100
#define WAKEUP_BUCKETS   20000

struct receiver {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_cons rx, completion;
	struct xsk_ring_prod tx, fill;
	uint8_t *frames;
	uint64_t packets, bytes, checksum, polls;
	uint64_t wakeups;
};

/* Wake-up latencies, WAKEUP_BUCKET_NS a bucket. */
static uint32_t wakeup_counts[WAKEUP_BUCKETS];

/* Time on a CPU so far: the scheduler's own account (proc(5), /proc/pid/schedstat). */
static uint64_t thread_cpu_ns(void)
{
	unsigned long long ns = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (!file || fscanf(file, "%llu", &ns) != 1)
		fail("schedstat");
	fclose(file);
	return ns;
}

static void open_socket(struct receiver *r, const char *device, int queue,
			struct bpf_object *object)
{
	struct xsk_umem_config umem_config = {
		.fill_size = FILL_SIZE,
		.comp_size = FRAMES,
		.frame_size = FRAME_SIZE,
	};
	struct xsk_socket_config socket_config = {
		.rx_size = FRAMES,
		.tx_size = 64,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	uint32_t position;

	r->frames = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->frames == MAP_FAILED || xsk_umem__create(&r->umem, r->frames, FRAMES * FRAME_SIZE,
							&r->fill, &r->completion, &umem_config))
		fail("make the UMEM");
	if (xsk_socket__create(&r->socket, device, queue, r->umem, &r->rx, &r->tx, &socket_config))
		fail("make the socket");
	if (xsk_ring_prod__reserve(&r->fill, FRAMES, &position) != FRAMES)
		fail("fill");
	for (uint32_t i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&r->fill, position + i) = (uint64_t)i * FRAME_SIZE;
	xsk_ring_prod__submit(&r->fill, FRAMES);
	if (xsk_socket__update_xskmap(r->socket,
				      bpf_object__find_map_fd_by_name(object, "sockets")))
		fail("put the socket into the map");
}

/* One batch; how many packets it had. */
static uint32_t receive(struct receiver *r, uint32_t batch)
{
	uint32_t from, to, n = xsk_ring_cons__peek(&r->rx, batch, &from);

	if (!n)
		return 0;
	if (xsk_ring_prod__reserve(&r->fill, n, &to) != n)
		fail("fill ring");
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *descriptor = xsk_ring_cons__rx_desc(&r->rx, from + i);

		r->checksum += *(uint32_t *)(r->frames + descriptor->addr + 12);
		r->bytes += descriptor->len;
		*xsk_ring_prod__fill_addr(&r->fill, to + i) =
			descriptor->addr & ~(uint64_t)(FRAME_SIZE - 1);
	}
	xsk_ring_prod__submit(&r->fill, n);
	xsk_ring_cons__release(&r->rx, n);
	r->packets += n;
	return n;
}

/* How late this thread saw the packet that woke it up, if it carries a stamp. */
static void note_wakeup(struct receiver *r, uint64_t now)
{
	uint32_t from;
	uint64_t sent;

	if (!xsk_ring_cons__peek(&r->rx, 1, &from))
		return;
	const uint8_t *packet = r->frames + xsk_ring_cons__rx_desc(&r->rx, from)->addr;
	xsk_ring_cons__cancel(&r->rx, 1);
	if (memcmp(packet + STAMP_OFFSET, STAMP_MAGIC, 4))
		return;
	memcpy(&sent, packet + STAMP_TIME, sizeof(sent));
	uint64_t bucket = (now - sent) / WAKEUP_BUCKET_NS;
	wakeup_counts[bucket < WAKEUP_BUCKETS ? bucket : WAKEUP_BUCKETS - 1]++;
	r->wakeups++;
}

/* In microseconds. */
static double wakeup_quantile(const struct receiver *r, double quantile)
{
	uint64_t below = 0;

	for (int bucket = 0; bucket < WAKEUP_BUCKETS; bucket++) {
		below += wakeup_counts[bucket];
		if (below && below >= quantile * r->wakeups)
			return bucket * (WAKEUP_BUCKET_NS / 1e3);
	}
	return 0;
}

static void report(struct receiver *r)
{
	static uint64_t cpu_before;
	uint64_t cpu = thread_cpu_ns();

	printf("{\"packets\":%llu,\"bytes\":%llu,\"cpuNs\":%llu,\"polls\":%llu,\"time\":%llu,"
	       "\"wakeups\":%llu,\"wakeupP50Us\":%.1f,\"wakeupP99Us\":%.1f,\"checksum\":%llu}\n",
	       (unsigned long long)r->packets, (unsigned long long)r->bytes,
	       (unsigned long long)(cpu - cpu_before), (unsigned long long)r->polls,
	       (unsigned long long)monotonic_ns(), (unsigned long long)r->wakeups,
	       wakeup_quantile(r, 0.5), wakeup_quantile(r, 0.99), (unsigned long long)r->checksum);
	cpu_before = cpu;
	r->packets = r->bytes = r->polls = r->wakeups = 0;
	memset(wakeup_counts, 0, sizeof(wakeup_counts));
}

int main(int argc, char **argv)
{
	static const char text[] = "xsk_receiver -o OBJECT -i DEVICE [-q QUEUE] [-b BATCH] [-w]";
	const char *object_path = NULL, *device = NULL;
	int queue = 0, batch = 64, option, wakeups = 0;
	struct receiver receiver = { 0 };
	char line[64];

	while ((option = getopt(argc, argv, "o:i:q:b:w")) != -1) {
		switch (option) {
		case 'o':
			object_path = optarg;
			break;
		case 'i':
			device = optarg;
			break;
		case 'q':
			queue = atoi(optarg);
			break;
		case 'b':
			batch = atoi(optarg);
			break;
		case 'w':
			wakeups = 1;
			break;
		default:
			usage(text);
		}
	}
	if (!object_path || !device)
		usage(text);
	struct bpf_object *object = bpf_object__open_file(object_path, NULL);
	if (!object || bpf_object__load(object))
		fail(object_path);
	if (!bpf_program__attach_xdp(bpf_object__find_program_by_name(object, "to_socket"),
				     if_nametoindex(device)))
		fail("attach XDP");
	open_socket(&receiver, device, queue, object);

	struct pollfd waits[2] = { { .fd = xsk_socket__fd(receiver.socket), .events = POLLIN },
				   { .fd = STDIN_FILENO, .events = POLLIN } };
	end_with_parent();
	setlinebuf(stdout);
	printf("{\"ready\":true}\n");
	for (;;) {
		if (poll(waits, 2, POLL_TIMEOUT_MS) < 0)
			fail("poll");
		receiver.polls++;
		if (waits[1].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			report(&receiver);
		}
		if (wakeups && (waits[0].revents & POLLIN))
			note_wakeup(&receiver, monotonic_ns());
		while (receive(&receiver, batch))
			;
	}
}
