// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * UDP over IPv4 out of a device with BPF_PROG_RUN live frames: no sk_buff, no socket,
 * millions of packets a second from one CPU. The veth at the other end needs NAPI (an XDP
 * program or GRO), or the frames vanish without any counter moving.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include "../bpf/generator_abi.h"
#include "bench.h"

#define MAX_FRAME    4096
#define PACE_PACKETS 16 /* between two looks at the clock */
/* Seconds of traffic per BPF_PROG_RUN: each call costs 10 to 20 ms of RCU waits. */
#define CALL_SECONDS 0.5
#define MAX_CALLS    10000

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

int main(int argc, char **argv)
{
	static const char text[] =
		"packet_generator -o OBJECT -i DEVICE -t SECONDS [-r PPS] [-s FRAME_BYTES] [-f "
		"FLOWS] [-b BATCH] " UDP_ENDS_USAGE;
	struct udp_ends ends = { "10.97.0.2", "10.97.0.1", "02:00:00:00:00:02",
				 "02:00:00:00:00:01" };
	const char *object_path = NULL, *device = NULL;
	double seconds = 0, rate = 0, per_second, start, end;
	int size = 60, flows = 1, batch = 64, option;
	static uint8_t frame[MAX_FRAME];
	uint64_t sent = 0;

	while ((option = getopt(argc, argv, "o:i:t:r:s:f:b:" UDP_ENDS_OPTIONS)) != -1) {
		switch (option) {
		case 'o':
			object_path = optarg;
			break;
		case 'i':
			device = optarg;
			break;
		case 't':
			seconds = atof(optarg);
			break;
		case 'r':
			rate = atof(optarg);
			break;
		case 's':
			size = atoi(optarg);
			break;
		case 'f':
			flows = atoi(optarg);
			break;
		case 'b':
			batch = atoi(optarg);
			break;
		default:
			take_udp_end(&ends, option, text);
		}
	}
	if (!object_path || !device || seconds <= 0 || size < 60 || size > MAX_FRAME || flows < 1 ||
	    flows > 4096 || (flows & (flows - 1)))
		usage(text);

	struct generator_config config = {
		.out_ifindex = if_nametoindex(device),
		.flow_mask = flows - 1,
		.pace_mask = PACE_PACKETS - 1,
		.gap_ns = rate ? PACE_PACKETS * 1e9 / rate : 0,
	};
	if (!config.out_ifindex)
		fail(device);
	put_udp_headers(frame, size, &ends);
	memcpy(config.header, frame, GENERATOR_HEADER_SIZE);

	struct bpf_object *object = bpf_object__open_file(object_path, NULL);
	if (!object || bpf_object__load(object))
		fail(object_path);
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "generate"));
	struct bpf_map *bss = bpf_object__find_map_by_name(object, ".bss");
	uint32_t zero = 0;
	if (!bss || bpf_map_update_elem(bpf_map__fd(bss), &zero, &config, 0))
		fail("configure the generator");

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	per_second = rate ? rate : 2e6;
	start = monotonic_ns() * 1e-9;
	end = start + seconds;
	for (int call = 0; call < MAX_CALLS && !stopped; call++) {
		double now = monotonic_ns() * 1e-9, left = end - now;
		unsigned int repeat;

		if (left <= 0)
			break;
		repeat = per_second * (left < CALL_SECONDS ? left : CALL_SECONDS) + batch;
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = size,
			    .repeat = repeat, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = batch);
		if (bpf_prog_test_run_opts(program, &run)) {
			if (stopped)
				break;
			fail("BPF_PROG_RUN");
		}
		sent += repeat;
		if (!rate)
			per_second = repeat / (monotonic_ns() * 1e-9 - now);
	}
	printf("{\"sent\":%llu,\"seconds\":%.6f}\n", (unsigned long long)sent,
	       monotonic_ns() * 1e-9 - start);
	return 0;
}
