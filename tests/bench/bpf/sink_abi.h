/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Shared by sink.bpf.c, packet_sink.c and flow_generator.c. */
#ifndef WEIR_BENCH_SINK_ABI_H
#define WEIR_BENCH_SINK_ABI_H

#include <linux/types.h>

#define SINK_BUCKETS  200000       /* of 1 us each; the last one takes all above */
#define SINK_TOTAL    SINK_BUCKETS /* element that counts all stamped packets */
#define SINK_ELEMENTS (SINK_BUCKETS + 8)

/* Packets that `watch_tc` took: of the flows that are watched, and of all others. */
struct sink_watch {
	__u16 first_source_port; /* which are watched; host order */
	__u16 last_source_port;
	__u16 first_destination_port;
	__u16 last_destination_port;
	__u64 watched;
	__u64 others;
	__u64 last; /* CLOCK_MONOTONIC ns, of the last watched one */
};

/* Payload of a stamped packet, behind Ethernet, IPv4 without options and UDP. */
#define SOURCE_PORT_OFFSET      34
#define DESTINATION_PORT_OFFSET 36
#define STAMP_OFFSET            42
#define STAMP_MAGIC             "WEIR"
#define STAMP_SEQUENCE          (STAMP_OFFSET + 4) /* __u32 */
#define STAMP_TIME              (STAMP_OFFSET + 8) /* __u64, CLOCK_MONOTONIC ns at sending */
#define STAMP_END               (STAMP_TIME + 8)

#endif
