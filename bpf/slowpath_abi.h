/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What TypeScript and AssemblyScript share inside a worker's WebAssembly memory: the
 * compiled policy, the ports, and the rings between the main thread and the worker.
 * The kernel never sees these; they stand here so that they have one source, like abi.h.
 */
#ifndef WEIR_SLOWPATH_ABI_H
#define WEIR_SLOWPATH_ABI_H

#include <linux/types.h>

/* ---- compiled policy --------------------------------------------------------------------- */

enum rule_action {
	RULE_NONE = 0,
	RULE_ALLOW,
	RULE_DENY,
	RULE_REJECT,
	RULE_LOG,		/* report, and go on */
	RULE_PASS,		/* go on at `next` */
	RULE_ASK,
};

enum rule_direction {
	DIRECTION_NONE = 0,
	DIRECTION_INGRESS,	/* towards the workload */
	DIRECTION_EGRESS,	/* from the workload */
};

/* Header of one compiled policy; all `*_offset` are bytes from its first byte. */
struct policy_table {		/* 64 bytes */
	__u32 revision;
	__u32 set_count;
	__u32 set_offset;	/* struct policy_set[]; index = interface.policy, 0 unused */
	__u32 rule_count;
	__u32 rule_offset;	/* struct policy_rule[] */
	__u32 prefix_count;
	__u32 prefix_offset;	/* struct policy_prefix[] */
	__u32 range_count;
	__u32 range_offset;	/* struct policy_range[] */
	__u32 size;		/* of it all, in bytes */
	__u32 reserved[6];
};

/* The rules of one interface's `policies`, in order. */
struct policy_set {		/* 32 bytes */
	__u32 first_rule;	/* index in the rule array */
	__u32 rule_count;
	__u8  default_ingress;	/* enum rule_action: allow, deny or ask */
	__u8  default_egress;
	__u16 reserved0;
	__u32 default_rule;	/* id reported when the default decides */
	__u32 reserved[4];
};

/* An empty list (count 0) matches everything. Lists are indexes into the arrays above. */
struct policy_rule {		/* 72 bytes */
	__u8  direction;	/* enum rule_direction */
	__u8  action;		/* enum rule_action */
	__u8  family;		/* 0 any, 4, 6 */
	__u8  protocol_any;	/* 1: any protocol */
	__u8  protocol;		/* IP protocol number */
	__u8  log;
	__u16 reserved0;
	__u32 id;		/* reported with the flow; > 0 */
	__u32 next;		/* action pass: rule index to go on at */
	__u32 source_first, source_count;
	__u32 source_except_first, source_except_count;
	__u32 destination_first, destination_count;
	__u32 destination_except_first, destination_except_count;
	__u32 source_port_first, source_port_count;
	__u32 destination_port_first, destination_port_count;	/* ICMP: type << 8 | code */
	__u64 hits;		/* counted by the slow path */
};

struct policy_prefix {		/* 24 bytes */
	__u8  address[16];	/* IPv4: mapped */
	__u32 length;		/* 0..128; IPv4: 96 + length */
	__u32 reserved;
};

struct policy_range {		/* 4 bytes */
	__u16 first;
	__u16 last;		/* inclusive */
};

/* ---- AF_XDP ports in a worker's memory ---------------------------------------------------- */

/* One mapped ring (linux/if_xdp.h); all addresses are offsets in the WebAssembly memory. */
struct xsk_ring {		/* 32 bytes */
	__u32 producer;		/* address of the producer index */
	__u32 consumer;
	__u32 flags;
	__u32 descriptors;	/* struct xdp_desc[] (rx, tx) or __u64[] (fill, completion) */
	__u32 mask;		/* entries - 1 */
	__u32 cached_producer;
	__u32 cached_consumer;
	__u32 reserved;
};

enum port_kind {
	PORT_NONE = 0,
	PORT_TRAP,		/* far end of the trap link */
	PORT_DIRECT,		/* an interface's own queue */
};

struct xsk_port {		/* 192 bytes */
	struct xsk_ring rx;
	struct xsk_ring tx;
	struct xsk_ring fill;
	struct xsk_ring completion;
	__u32 kind;		/* enum port_kind */
	__u32 interface;	/* id, kind direct */
	__u32 queue;
	__u32 outstanding;	/* transmitted, not completed */
	__u32 need_kick;	/* 1: sendto is due */
	__u32 fill_target;	/* frames to keep in the fill ring */
	__u32 reserved[2];
	__u64 rx_packets;
	__u64 tx_packets;
	__u64 rx_invalid;	/* no valid metadata in front */
	__u64 tx_full;		/* transmit ring or frames exhausted */
};

/* ---- the worker's control block -------------------------------------------------------- */

/* At the address given to `start()`; every address is an offset in the WebAssembly memory. */
struct worker_control {		/* 256 bytes */
	__u32 worker;		/* index */
	__u32 port_count;
	__u32 ports;		/* struct xsk_port[] */
	__u32 umem;		/* first frame */
	__u32 frame_size;
	__u32 frame_count;
	__u32 free_frames;	/* __u32[frame_count]: stack of free frame addresses */
	__u32 free_count;
	__u32 interfaces;	/* struct interface[] (kernel's own, mapped) */
	__u32 nexthops;		/* struct nexthop[] (kernel's own, mapped) */
	__u32 nexthop_count;
	__u32 config;		/* struct config (kernel's own, mapped) */
	__u32 decisions;	/* struct flow_decision[WEIR_DECISIONS_PER_WORKER] (kernel's own, mapped) */
	__u32 decision_count;	/* filled by poll(), to be applied by weir_flow_update */
	__u32 pending;		/* struct pending_packet[WEIR_DECISIONS_PER_WORKER] */
	__u32 policy;		/* struct policy_table in force; the main thread swaps it atomically */
	__u32 policy_ack;	/* the worker's copy of `policy`, set at each poll: older tables may be reused */
	__u32 commands;		/* struct message_ring: main thread to worker */
	__u32 events;		/* struct message_ring: worker to main thread */
	__u32 holds;		/* struct held_packet[] */
	__u32 hold_capacity;
	__u32 hold_count;
	__u32 trap_handlers;	/* bit per enum trap_reason: the controller takes these */
	__u32 asking;		/* 1: a handler for asked flows is there */
	__u32 ask_timeout_ms;
	__u32 ask_otherwise;	/* enum rule_action past the time-out or without a handler: allow or deny */
	__u32 hold_limit;
	__u32 stop;		/* 1: leave the loop */
	__u64 now;		/* CLOCK_MONOTONIC ns, set by the host before each poll() */
	/* counters */
	__u64 polls;
	__u64 packets;
	__u64 decided;
	__u64 allowed;
	__u64 denied;
	__u64 rejected;
	__u64 asked;
	__u64 timeouts;
	__u64 icmp_sent;
	__u64 events_lost;
	__u64 no_frame;
	__u64 unhandled;
	__u64 stale;
	__u64 reserved[4];
};

/* A packet that waits for weir_flow_update to be applied. */
struct pending_packet {		/* 16 bytes */
	__u32 frame;		/* address of the first byte of the packet; 0: none */
	__u32 length;
	__u32 decision;		/* index in `decisions` */
	__u32 flags;
};

/* A packet of a flow that the controller decides, or whose neighbour is asked for. */
struct held_packet {		/* 64 bytes */
	__u32 frame;		/* 0: slot is free */
	__u32 length;
	__u64 deadline;
	__u32 reason;		/* enum trap_reason: ask or resolve */
	__u32 ticket;		/* names the miss towards the main thread */
	__u32 attempts;
	__u32 next;		/* index + 1 of the next packet of the same flow */
	__u32 generation;
	__u32 rule;
	__u32 reserved[6];
};

/* Single producer, single consumer; `capacity` records of `record_size` bytes follow the header. */
struct message_ring {		/* 64 bytes */
	__u32 producer;		/* free running; written by one side, with release */
	__u32 consumer;
	__u32 capacity;		/* power of two */
	__u32 record_size;
	__u32 lost;		/* records that found no room */
	__u32 reserved[11];
};

enum event_kind {
	EVENT_NONE = 0,
	EVENT_ASK,		/* a flow for onFlowMiss; the frame waits for a decision */
	EVENT_PACKET,		/* a trap for onPacket; the frame waits for its release */
	EVENT_LOG,		/* a rule with log matched */
	EVENT_DROP,		/* the slow path dropped a packet */
};

struct event {			/* 128 bytes */
	__u32 kind;		/* enum event_kind */
	__u32 ticket;
	__u32 frame;		/* address of the first byte; 0: none */
	__u32 length;
	__u32 rule;
	__u8  direction;
	__u8  drop_reason;
	__u16 out_interface;
	__u64 time;
	struct trap_meta_copy {	/* the packet's struct trap_meta */
		__u32 words[8];
	} meta;
	__u8  family;
	__u8  protocol;
	__be16 source_port;
	__be16 destination_port;
	__u16 reserved0;
	__u8  source[16];
	__u8  destination[16];
	__u32 reserved[6];
};

enum command_kind {
	COMMAND_NONE = 0,
	COMMAND_VERDICT,	/* decides the asked flow `ticket` */
	COMMAND_RELEASE,	/* gives `frame` back */
	COMMAND_INJECT,		/* sends a copy of the `length` bytes at `frame` (not a UMEM frame) */
};

struct command {		/* 64 bytes */
	__u32 kind;		/* enum command_kind */
	__u32 ticket;
	__u32 frame;
	__u32 length;
	__u8  action;		/* enum flow_action, or RULE_REJECT in `rule_action` */
	__u8  rule_action;	/* enum rule_action */
	__u8  inject_action;
	__u8  flags;
	__u16 interface;
	__u16 reserved0;
	__u32 vrf;
	__u32 nexthop;
	__u32 idle_seconds;
	__u32 reserved[7];
};

#endif
