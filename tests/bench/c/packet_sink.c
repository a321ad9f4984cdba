// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attaches one of the sinks of sink.bpf.c to a device and answers each line on standard input
 * with what arrived since the line before. Ends with its standard input.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include "../bpf/sink_abi.h"
#include "bench.h"

static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999, 1 };
#define QUANTILES (int)(sizeof(quantiles) / sizeof(quantiles[0]))

static void report_drops(int map)
{
	static uint64_t before;
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[cpus], total = 0;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(map, &zero, values))
		fail("read the counter");
	for (int cpu = 0; cpu < cpus; cpu++)
		total += values[cpu];
	printf("{\"packets\":%llu,\"time\":%llu}\n", (unsigned long long)(total - before),
	       (unsigned long long)monotonic_ns());
	before = total;
}

static void report_latencies(uint64_t *counts)
{
	uint64_t total = counts[SINK_TOTAL], below = 0, found[QUANTILES] = { 0 };

	for (int bucket = 0, next = 0; bucket < SINK_BUCKETS && next < QUANTILES; bucket++) {
		below += counts[bucket];
		while (next < QUANTILES && total && below >= quantiles[next] * total)
			found[next++] = bucket;
	}
	memset(counts, 0, SINK_ELEMENTS * sizeof(*counts));
	printf("{\"packets\":%llu,\"time\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%"
	       "llu,\"max\":%llu}\n",
	       (unsigned long long)total, (unsigned long long)monotonic_ns(),
	       (unsigned long long)found[0], (unsigned long long)found[1],
	       (unsigned long long)found[2], (unsigned long long)found[3],
	       (unsigned long long)found[4]);
}

/* The line names the ports that are watched from now on, first and last source and destination ports; or is empty. */
static void report_watch(struct sink_watch *watch, const char *line)
{
	unsigned int ports[4];

	printf("{\"watched\":%llu,\"others\":%llu,\"last\":%llu}\n",
	       (unsigned long long)watch->watched, (unsigned long long)watch->others,
	       (unsigned long long)watch->last);
	if (sscanf(line, "%u %u %u %u", ports, ports + 1, ports + 2, ports + 3) != 4)
		return;
	*watch = (struct sink_watch){ .first_source_port = ports[0],
				      .last_source_port = ports[1],
				      .first_destination_port = ports[2],
				      .last_destination_port = ports[3] };
}

static void *map_array(struct bpf_object *object, const char *name, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_object__find_map_fd_by_name(object, name), 0);

	if (memory == MAP_FAILED)
		fail(name);
	return memory;
}

static void attach(struct bpf_program *program, const char *device, int tc)
{
	int ifindex = if_nametoindex(device);

	if (!ifindex)
		fail(device);
	if (!tc) {
		if (!bpf_program__attach_xdp(program, ifindex))
			fail("attach XDP");
		return;
	}
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));
	int error = bpf_tc_hook_create(&hook);
	if (error && error != -EEXIST)
		fail("make the clsact qdisc");
	if (bpf_tc_attach(&hook, &options))
		fail("attach TC");
}

int main(int argc, char **argv)
{
	static const char text[] = "packet_sink -o OBJECT -i DEVICE -m "
				   "drop|drop_tc|latency_xdp|latency_tc|watch_tc";
	const char *object_path = NULL, *device = NULL, *mode = "drop";
	char line[64];
	int option;

	while ((option = getopt(argc, argv, "o:i:m:")) != -1) {
		switch (option) {
		case 'o':
			object_path = optarg;
			break;
		case 'i':
			device = optarg;
			break;
		case 'm':
			mode = optarg;
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
	struct bpf_program *program = bpf_object__find_program_by_name(object, mode);
	if (!program)
		usage(text);
	attach(program, device, strstr(mode, "_tc") != NULL);

	int drops = bpf_object__find_map_fd_by_name(object, "dropped");
	uint64_t *latencies = map_array(object, "latency", SINK_ELEMENTS * sizeof(uint64_t));
	struct sink_watch *watch = map_array(object, "watch", sizeof(*watch));
	end_with_parent();
	setlinebuf(stdout);
	printf("{\"ready\":true}\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (strncmp(mode, "drop", 4) == 0)
			report_drops(drops);
		else if (strcmp(mode, "watch_tc") == 0)
			report_watch(watch, line);
		else
			report_latencies(latencies);
	}
	return 0;
}
