// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * One 60-byte UDP packet per flow, each a new 5-tuple (32768 source ports x 128 destination
 * ports), with its sending time in the payload. AF_PACKET with sendmmsg past the qdisc, paced
 * by a busy wait, or with -w by sleeping. More than 100 us late, the schedule is moved: no burst
 * that catches up.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "../bpf/sink_abi.h"
#include "bench.h"

#define FRAME                  60
#define MAX_BATCH              256
#define FLOW_SPACE             (1u << 22)
#define FIRST_SOURCE_PORT      1024
#define FIRST_DESTINATION_PORT 8000
#define MAX_LATE_NS            100000
#define MAX_RETRIES            1000000

/* Multiplication by an odd number permutes the flows: neighbours in time are none in the tables. */
static void put_flow(uint8_t *frame, uint32_t sequence, uint64_t now)
{
	uint32_t flow = (sequence * 0x9E3779B1u) & (FLOW_SPACE - 1);

	put16(frame + 34, FIRST_SOURCE_PORT + (flow & 0x7fff));
	put16(frame + 36, FIRST_DESTINATION_PORT + (flow >> 15));
	memcpy(frame + STAMP_OFFSET, STAMP_MAGIC, 4);
	memcpy(frame + STAMP_SEQUENCE, &sequence, sizeof(sequence));
	memcpy(frame + STAMP_TIME, &now, sizeof(now));
}

int main(int argc, char **argv)
{
	static const char text[] =
		"flow_generator -i DEVICE -n PACKETS [-r PER_SECOND] [-b BATCH] [-a FIRST] [-c "
		"CYCLE] [-w] " UDP_ENDS_USAGE;
	struct udp_ends ends = { "10.97.0.2", "10.97.0.1", "00:00:5e:00:01:00",
				 "02:00:00:00:01:01" };
	const char *device = NULL;
	uint32_t packets = 0, first = 0, cycle = 0;
	static uint8_t frames[MAX_BATCH][FRAME];
	static struct mmsghdr messages[MAX_BATCH];
	static struct iovec vectors[MAX_BATCH];
	uint64_t start, now, max_late = 0, errors = 0, sent = 0;
	double rate = 0, gap;
	int batch = 1, option, one = 1, buffer = 8 << 20, sleeps = 0;

	while ((option = getopt(argc, argv, "i:n:r:b:a:c:w" UDP_ENDS_OPTIONS)) != -1) {
		switch (option) {
		case 'i':
			device = optarg;
			break;
		case 'n':
			packets = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			rate = atof(optarg);
			break;
		case 'b':
			batch = atoi(optarg);
			break;
		case 'a':
			first = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			cycle = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			sleeps = 1;
			break;
		default:
			take_udp_end(&ends, option, text);
		}
	}
	if (!device || !packets || batch < 1 || batch > MAX_BATCH)
		usage(text);

	int socket_fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_ifindex = if_nametoindex(device) };
	if (socket_fd < 0 || !address.sll_ifindex)
		fail(device);
	setsockopt(socket_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(socket_fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	setpriority(PRIO_PROCESS, 0, -20);
	for (int i = 0; i < batch; i++) {
		put_udp_headers(frames[i], FRAME, &ends);
		vectors[i] = (struct iovec){ frames[i], FRAME };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i],
						       .msg_iovlen = 1,
						       .msg_name = &address,
						       .msg_namelen = sizeof(address) };
	}

	gap = rate ? batch * 1e9 / rate : 0;
	start = monotonic_ns();
	uint64_t schedule = start;
	for (uint32_t done = 0, burst = 0; done < packets; burst++) {
		int count = packets - done < (uint32_t)batch ? (int)(packets - done) : batch,
		    out = 0;
		uint64_t due = schedule + (uint64_t)(burst * gap);

		while ((now = monotonic_ns()) < due) {
			struct timespec left = { .tv_nsec = due - now };

			if (sleeps && due - now < 1000000000)
				nanosleep(&left, NULL);
		}
		if (gap && now - due > max_late)
			max_late = now - due;
		if (gap && now - due > MAX_LATE_NS)
			schedule += now - due;
		for (int i = 0; i < count; i++, done++)
			put_flow(frames[i], first + (cycle ? done % cycle : done), now);
		for (int tries = 0; out < count && tries < MAX_RETRIES; tries++) {
			int n = sendmmsg(socket_fd, messages + out, count - out, 0);

			if (n > 0) {
				out += n;
				sent += n;
			} else if (errno ==
				   ENOBUFS) { /* the device dropped it: lost like any other */
				out++;
				sent++;
				errors++;
			} else if (errno != EAGAIN) {
				fail("sendmmsg");
			}
		}
	}
	printf("{\"sent\":%llu,\"errors\":%llu,\"seconds\":%.6f,\"maxLateUs\":%.0f}\n",
	       (unsigned long long)sent, (unsigned long long)errors,
	       (monotonic_ns() - start) * 1e-9, max_late / 1e3);
	return 0;
}
