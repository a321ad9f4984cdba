/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What TypeScript and AssemblyScript share inside a worker's WebAssembly memory: the
 * ports, and the rings between the main thread and the worker (and policy_abi.h).
 * The kernel never sees these; they stand here so that they have one source, like abi.h.
 */
#ifndef WEIR_SLOWPATH_ABI_H
#define WEIR_SLOWPATH_ABI_H

#include "abi.h"
#include "policy_abi.h"

/* ---- AF_XDP ports in a worker's memory ---------------------------------------------------- */

/* One mapped ring (linux/if_xdp.h); all addresses are offsets in the WebAssembly memory. */
struct xsk_ring {       /* 32 bytes */
	__u32 producer; /* address of the producer index */
	__u32 consumer;
	__u32 flags;
	__u32 descriptors; /* struct xdp_desc[] (rx, tx) or __u64[] (fill, completion) */
	__u32 mask;        /* entries - 1 */
	__u32 cached_producer;
	__u32 cached_consumer;
	__u32 reserved;
};

enum port_kind {
	PORT_NONE = 0,
	PORT_TRAP,   /* far end of the trap link */
	PORT_DIRECT, /* an interface's own queue */
};

struct xsk_port { /* 192 bytes */
	struct xsk_ring rx;
	struct xsk_ring tx;
	struct xsk_ring fill;
	struct xsk_ring completion;
	__u32 kind;      /* enum port_kind */
	__u32 interface; /* id, kind direct */
	__u32 queue;
	__u32 outstanding; /* transmitted, not completed */
	__u32 fill_target; /* frames to keep in the fill ring */
	__u32 fd;          /* of the socket */
	__u32 reserved[2];
	__u64 rx_packets;
	__u64 tx_packets;
	__u64 rx_invalid; /* no valid metadata in front */
	__u64 tx_full;    /* transmit ring or frames exhausted */
};

/*
 * A packet that is longer than a frame lies in a chain of them (XDP_PKT_CONTD). It is named by
 * its first byte like any other, and is held, sent and freed as one.
 */
struct frame_link {   /* 8 bytes */
	__u32 next;   /* address of the packet's first byte in its next frame; 0: there is none */
	__u32 length; /* of the packet's bytes in this frame; set only in a chain */
};

/* Frames of the longest chain. With frames of 2048 bytes 14336: MTU 9216 and more. */
#define WEIR_CHAIN_FRAMES 8

/* ---- the worker's control block -------------------------------------------------------- */

/* At the address given to `start()`; every address is an offset in the WebAssembly memory. */
struct worker_control { /* 512 bytes */
	__u32 worker;   /* index */
	__u32 port_count;
	__u32 ports;         /* struct xsk_port[]; the first is the trap port */
	__u32 port_revision; /* the main thread counts it up when it has changed the ports */
	__u32 port_ack; /* the revision that the worker goes by: a port taken away before is used no more */
	__u32 umem;       /* first frame */
	__u32 frame_size; /* power of two */
	__u32 frame_count;
	__u32 frame_reserve; /* free frames that the fill rings leave for answers and injections */
	__u32 free_frames;   /* __u32[frame_count]: stack of free frames, as addresses */
	__u32 free_count;
	__u32 frame_owners; /* __u8[frame_count]: index + 1 of the port that has the frame to receive into; 0: none */
	__u32 frame_links; /* struct frame_link[frame_count] */
	__u32 watches;     /* struct watched_descriptor[WEIR_WATCHES] */
	__u32 interfaces;  /* struct interface[] (kernel's own, mapped) */
	__u32 interface_count;
	__u32 nexthops; /* struct nexthop[] (kernel's own, mapped) */
	__u32 nexthop_count;
	__u32 decisions; /* struct flow_decision[WEIR_DECISIONS_PER_WORKER] (kernel's own, mapped) */
	__u32 decision_count; /* filled by poll(), to be applied by weir_flow_update */
	__u32 decision_notes; /* struct decision_note[WEIR_DECISIONS_PER_WORKER] */
	__u32 burst_slots;    /* struct burst_slot[WEIR_BURST_SLOTS] */
	__u32 pending;        /* struct pending_packet[pending_capacity] */
	__u32 pending_capacity;
	__u32 pending_count;
	__u32 policy; /* struct policy_root in force; the main thread swaps it atomically; 0: none yet */
	__u32 policy_ack; /* the worker's copy of `policy`, set at each poll: older ones may be reused */
	__u32 commands; /* struct message_ring: main thread to worker */
	__u32 events;   /* struct message_ring: worker to main thread */
	__u32 event_signal; /* 1: the main thread was told that there are events; it sets 0 before it reads them */
	__u32 holds;         /* struct held_packet[hold_capacity] */
	__u32 hold_capacity; /* power of two */
	__u32 hold_limit;    /* packets that may wait at a time */
	__u32 hold_count;
	__u32 hold_free;    /* first free slot + 1 */
	__u32 hold_active;  /* first waiting flow + 1 */
	__u32 hold_buckets; /* __u32[hold_capacity]: slot + 1 by hash of reason and key */
	__u32 drops;        /* struct drop_counter[interface_count][WEIR_MAX_REASONS] */
	__u32 error_limits; /* __u64[interface_count]: when the interface has used up its ICMP errors */
	__u32 error_rate; /* ICMP errors and resets a second an interface may cause; 0: none are sent */
	__u32 error_burst;
	__u32 trap_handlers; /* bit per enum trap_reason: the controller takes these */
	__u32 lent_count;    /* frames of EVENT_PACKET that were not released yet */
	__u32 lent_limit;
	__u32 asking; /* enum asking: who decides asked flows */
	__u32 ask_timeout_ms;
	__u32 ask_otherwise; /* enum rule_action past the time-out or without a handler: allow or deny */
	__u32 resolve_timeout_ms; /* how long a packet waits for its neighbour */
	__u32 drop_samples;       /* EVENT_DROP a second; 0: none; the counters have them all */
	__u32 stop;               /* 1: leave the loop */
	__u32 stopped;            /* 1: the worker has left its loop */
	__be32 node_address4;     /* source of ICMP errors where the interface has none; 0: none */
	__u8 node_address6[16];
	__u64 clock_seconds; /* CLOCK_MONOTONIC as struct timespec, written by the host before each poll() */
	__u64 clock_nanoseconds;
	__u64 next_deadline; /* when poll() is due without a packet; ~0: never */
	/* counters */
	__u64 polls;
	__u64 packets;
	__u64 decided; /* decision records written */
	__u64 allowed; /* flows */
	__u64 denied;
	__u64 rejected;
	__u64 asked;
	__u64 timeouts;    /* asked flows that got no verdict in time */
	__u64 injected;    /* packets handed back to the pipeline */
	__u64 errors_sent; /* ICMP errors and resets */
	__u64 errors_limited;
	__u64 solicited; /* ARP requests and neighbour solicitations */
	__u64 events_lost;
	__u64 no_frame;
	__u64 unhandled;
	__u64 stale;             /* decisions that came too late */
	__u64 fragments_held;    /* that came before the first of their datagram */
	__u64 fragments_expired; /* of these: the first did not come in time */
	__u64 samples_limited;   /* drops that were not reported, because of drop_samples */
	__u64 handler_errors;    /* calls of the worker's own handler that failed */
	__u32 own_asks;          /* struct message_ring: flows for the worker's own handler */
	__u32 own_verdicts;      /* struct message_ring: commands of the worker's own handler */
	__u32 tell_misses; /* 1: EVENT_MISS for each flow that the worker's own handler is asked about */
	__u32 letters; /* messages that the main thread has posted to the thread; it counts them up */
	__u32 miss_ring; /* struct miss_ring and its records (kernel's own, mapped); 0: none */
	__u32 reserved0;
	__u64 reserved[10];
};

/* Who decides the flows that policy leaves to the controller. */
enum asking {
	ASKING_NOBODY = 0,
	ASKING_MAIN, /* the main thread: EVENT_ASK in `events`, COMMAND_VERDICT in `commands` */
	ASKING_WORKER, /* a handler in the worker's thread: the same in `own_asks` and `own_verdicts` */
};

/*
 * A descriptor that a worker polls on behalf of the main thread, whose event loop cannot. Readable
 * descriptors stay so until they are read: the main thread is told once, and says when it has.
 */
struct watched_descriptor { /* 8 bytes */
	__u32 fd;           /* descriptor + 1; 0: none */
	__u32 told;         /* 1: the main thread was told; it sets 0 when it has read */
};

#define WEIR_WATCHES 4

/* Which counters a decision raises when the kernel has taken it. */
struct decision_note { /* 8 bytes */
	__u32 hits[2]; /* addresses of `hits` of struct policy_rule; 0: none */
};

/* Finds the decision made for a hold entry in the same burst. Open addressing. */
struct burst_slot { /* 16 bytes */
	__u32 generation;
	__u32 round;    /* the slot is empty unless this is the present round */
	__u32 decision; /* index in `decisions` */
	__u32 reserved;
};

#define WEIR_BURST_SLOTS 2048 /* twice the decisions of a burst */

/* A packet that waits for weir_flow_update to be applied. */
struct pending_packet { /* 16 bytes */
	__u32 frame;    /* address of the first byte of the packet */
	__u32 length;
	__u32 decision; /* index in `decisions` */
	__u32 reserved;
};

/*
 * A packet of a flow that the controller decides, or whose neighbour is asked for. The first
 * packet of a flow leads: it stands in the list of waiting flows and in a hash bucket, and the
 * others hang on it. Slot links are index + 1; 0: none.
 */
struct held_packet { /* 80 bytes */
	__u32 frame; /* address of the first byte; 0: slot is free */
	__u32 length;
	__u64 deadline; /* when something is to be done about it */
	__u64 expires;  /* when it is given up */
	__u32 reason;   /* enum trap_reason: ask, resolve or fragment */
	__u32 key;    /* generation (ask), next hop (resolve) or hash of the datagram (fragment) */
	__u32 ticket; /* names the miss towards the main thread */
	__u32 attempts; /* requests sent to the neighbour */
	__u32 count;    /* packets of the flow, the first one's only */
	__u32 next;     /* next packet of the same flow; next free slot */
	__u32 last;     /* last packet of the flow, the first one's only */
	__u32 list_next;
	__u32 list_previous;
	__u32 hash_next;
	__u32 rule;
	__u32 revision;  /* of the policy that asked, the first one's only */
	__u32 mirror;    /* of its rules, the first one's only */
	__u32 interface; /* that the packet came from */
};

/* Single producer, single consumer; `capacity` records of `record_size` bytes follow the header. */
struct message_ring {   /* 64 bytes */
	__u32 producer; /* free running; written by one side, with release */
	__u32 consumer;
	__u32 capacity; /* power of two */
	__u32 record_size;
	__u32 lost; /* records that found no room */
	__u32 reserved[11];
};

enum event_kind {
	EVENT_NONE = 0,
	EVENT_ASK,    /* a flow for onFlowMiss; the frame waits for a verdict */
	EVENT_PACKET, /* a trap for onPacket; the frame waits for its release */
	EVENT_LOG,    /* a rule with log matched */
	EVENT_DROP,   /* the slow path dropped a packet */
	EVENT_MISS,   /* the worker's own handler is asked about a flow */
};

struct event {      /* 224 bytes */
	__u32 kind; /* enum event_kind */
	__u32 ticket;
	__u32 frame; /* address of the first byte; 0: none */
	__u32 length;
	__u32 rule;
	__u8 direction;
	__u8 drop_reason;
	__u8 trap_reason; /* enum trap_reason */
	__u8 flags;       /* TRAP_FLAG_* */
	__u64 time;
	__u16 interface; /* ids, as in struct trap_meta */
	__u16 out_interface;
	__u32 vrf;
	__u32 nexthop;
	__u32 reverse_nexthop;
	__u32 generation;
	__u8 family; /* 4 or 6; 0: the packet is none of IP, and the rest is 0 */
	__u8 protocol;
	__be16 source_port; /* ICMP: see struct flow4_key; of an error: 0 */
	__be16 destination_port;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 source[16];
	__u8 destination[16];
	__u32 head_length;            /* EVENT_DROP: bytes of `head`, else 0 */
	__u8 head[WEIR_SAMPLE_BYTES]; /* the packet's first bytes, from the Ethernet header on */
};

/* What became of a packet that was lent. */
enum lent {
	LENT_TAKEN = 0, /* a handler had it */
	LENT_DECLINED,  /* nobody took it: what happens without a handler */
	LENT_LIMITED,   /* it exceeded the rate of all that would have taken it: a drop */
};

enum command_kind {
	COMMAND_NONE = 0,
	COMMAND_VERDICT, /* decides the asked flow `ticket` */
	COMMAND_RELEASE, /* gives `frame` back */
	COMMAND_INJECT,  /* sends a copy of the `length` bytes at `frame` (not a UMEM frame) */
	COMMAND_RECLAIM, /* takes the frames back that port `frame` had when it was closed */
};

struct command {    /* 128 bytes */
	__u32 kind; /* enum command_kind */
	__u32 ticket;
	__u32 frame;
	__u32 length;
	__u8 rule_action;   /* enum rule_action: allow, deny, reject; none: as past the time-out */
	__u8 inject_action; /* enum inject_action */
	__u16 interface;
	__u32 vrf;
	__u32 nexthop;      /* verdict: instead of the one that the pipeline found; 0: that one */
	__u32 idle_seconds; /* verdict; 0: the protocol's default */
	__u32 mirror;       /* verdict: index in `mirrors`; 0: what the policy's rules say */
	/* verdict: the rest of what struct flow_decision says */
	__u32 label;           /* that goes with `nexthop` */
	__u32 reverse_vrf;     /* that goes with `nexthop` */
	__u32 reverse_nexthop; /* 0: the one that the pipeline found */
	__u8 new_source[16];
	__u8 new_destination[16];
	__be16 new_source_port;
	__be16 new_destination_port;
	__u8 translate; /* 1: action nat, by the four fields above */
	__u8 single;    /* 1: without the reverse direction */
	__u8 log;       /* 1: the flow is reported, as by a rule with log */
	__u8 reverse_mirror;
	__u8 lent; /* release: enum lent; `length` is the packet's */
	__u8 chosen; /* 1: `nexthop` whatever routes say; 0: it is where they lead what the packets become */
	__u8 reserved0[2];
	__u32 reserved[9];
};

/* ---- flows after a change ------------------------------------------------------------------ */

/* What a change means for the flows of an interface. */
#define REVIEW_POLICY 0x1 /* its policies have changed */
#define REVIEW_WAY    0x2 /* what is behind it may not be where it was */
#define REVIEW_GONE   0x4 /* it is no more */
#define REVIEW_OVER   0x8 /* no flow from or to it goes on */

#define WEIR_REVIEW_VRFS 65536

/* A look through the flows by the main thread, in a memory of its own; see wasm/review.ts. */
struct flow_review {  /* 48 bytes */
	__u32 filter; /* struct policy_root, its set 1 allows the flows that are meant; 0: all are */
	__u32 translated; /* 1: those that are translated are meant, too */
	__u32 interfaces; /* __u8[interface_count]: REVIEW_* */
	__u32 nexthops; /* __u8[nexthop_count]: 1 where flows to it, or from its tunnel, may go elsewhere */
	__u32 mirrors;  /* __u8[256]: 1 where there is none any more */
	__u32 vrfs;     /* __u8[WEIR_REVIEW_VRFS]: 1 where routes have changed */
	__u32 routes;   /* 1: flows that are meant, of such a VRF, may go elsewhere */
	__u32 read;     /* enum decision_operation: READ or READ_PAIR */
	__u32 revision; /* of DECISION_REROUTE */
	__u32 everyone; /* 1: all flows are looked at, and the filter is asked about those that are left */
	__u32 reserved[2];
};

#endif
