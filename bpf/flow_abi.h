/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows: keys, entries, and what keeps their number within bounds.
 */
#ifndef WEIR_FLOW_ABI_H
#define WEIR_FLOW_ABI_H

#include <linux/types.h>

/*
 * What stands for the ports of ICMP and ICMPv6 in a flow's key:
 * - echo request and reply: the identifier, in both.
 * - all others that are no errors: destination_port is the packet's type << 8 | code, as in
 *   NetFlow, and source_port that of its counterpart, so that the reverse key is the answer's.
 *   Counterparts have the same code: types 13 and 14, 15 and 16, 17 and 18 of ICMP; 133 and
 *   134, 135 and 136, 139 and 140 of ICMPv6. Without one it is 0: nothing answers.
 * - errors have the key of the flow that the quoted packet would be answered in.
 * Other protocols without ports: 0.
 */
struct flow4_key { /* 20 bytes */
	__u32 vrf;
	__be32 source;
	__be32 destination;
	__be16 source_port; /* see above */
	__be16 destination_port;
	__u8 protocol;
	__u8 reserved[3];
};

struct flow6_key { /* 44 bytes */
	__u32 vrf;
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 reserved[3];
};

enum flow_action {
	FLOW_NONE = 0,
	FLOW_FORWARD,
	FLOW_DROP,
	FLOW_NAT,  /* forward, translated */
	FLOW_HOLD, /* being decided */
};

enum flow_state {
	FLOW_STATE_NONE = 0,    /* no protocol state: ICMP, others */
	FLOW_STATE_NEW,         /* one direction seen */
	FLOW_STATE_ESTABLISHED, /* both directions seen; TCP: both have acknowledged */
	FLOW_STATE_CLOSING,     /* TCP: a FIN of one side */
	FLOW_STATE_CLOSED,      /* TCP: FINs of both, or a reset that counts */
};

struct flow_entry { /* 136 bytes */
	__u64 last_seen;
	__u64 created;
	__u64 packets;
	__u64 bytes;   /* from the first byte of the IP header */
	__u32 nexthop; /* with `label` in one word, which is read and written as a whole */
	__u32 label;   /* MPLS label or VNI that goes with `nexthop`; LABEL_IS_* in the high byte */
	__u32 rule;    /* policy rule that decided; 0: none */
	__u32 idle_seconds; /* 0: the protocol's default */
	__u32 revision;     /* of the policy that decided */
	__u32 ingress;      /* where it must come from: interface id, or INGRESS_* */
	__u8 action;        /* enum flow_action */
	__u8 state;         /* enum flow_state */
	__u8 flags;         /* FLOW_FLAG_* */
	__u8 worker;
	__u8 drop_reason; /* enum drop_reason, action drop */
	__u8 mirror;      /* index in `mirrors`: copies of its packets; 0: none */
	__u8 tcp_flags;   /* seen so far; TCP_SEQUENCED */
	__u8 tcp_scale;   /* window scale of what this direction says (RFC 7323) */
	__u32 trapped; /* packets sent to the slow path for a decision on this entry; FLOW_CLAIMED */
	__u32 generation; /* unique for this pair of entries; a decision must name it */
	__u32 reverse_label; /* of a hold, or of a packet since that asks anew: the same for the reverse direction */
	__u16 reverse_vrf; /* in which the reverse direction's entry is kept; 0: the same */
	__u16 owner; /* interface whose packet made the flow, of one entry of the pair; 0: nobody's */
	/*
	 * Action nat: what its packets become; what stands for the ports as in the key. The key of
	 * the reverse direction's entry is that of the answers to such packets.
	 */
	__u8 new_source[16]; /* IPv4: mapped */
	__u8 new_destination[16];
	__be16 new_source_port;
	__be16 new_destination_port;
	__u32 slot; /* of the pair, plus one; 0: the reverse direction's entry, or none */
	/* TCP, of what this direction has sent (see bpf/flow_tcp.h) */
	__u32 tcp_end;    /* sequence number behind the last byte */
	__u32 tcp_ack;    /* highest acknowledgement */
	__u32 tcp_window; /* right edge of the window that it offers the other direction */
	__u32 reroute; /* not 0: routes have changed; the next packet that is let through looks for its way */
};

/* Bit of `tcp_flags` that is none of a segment's: tcp_end is known. */
#define TCP_SEQUENCED 0x80

/* Bit of `trapped`: one program is about to replace the entry or to remove it; see bpf/flow_remove.h. */
#define FLOW_CLAIMED 0x80000000

/*
 * Bits of `ingress` that is no interface. TUNNEL: the rest is the id of a tunnel next hop, or,
 * with UNKNOWN, a hash of a remote address that no tunnel next hop has. COPY: the packet is a
 * copy that a mirror has made, here or at the tunnel's other end; it is not copied again.
 */
#define INGRESS_TUNNEL  0x80000000
#define INGRESS_UNKNOWN 0x40000000
#define INGRESS_COPY    0x20000000
#define INGRESS_ID      0x1fffffff

/* Set in `label` of flow entries and decisions; none: there is no label. */
#define LABEL_IS_MPLS 0x01000000
#define LABEL_IS_VNI  0x02000000
#define LABEL_MASK    0x00ffffff

#define FLOW_FLAG_BRIDGED 0x01 /* no TTL, no MAC rewrite */
#define FLOW_FLAG_REVERSE 0x02 /* the reverse direction of the pair */
#define FLOW_FLAG_MARKED  0x04 /* untouched since the last sweep */
#define FLOW_FLAG_SINGLE  0x08 /* has no reverse entry */
#define FLOW_FLAG_CHOSEN \
	0x10 /* the controller said where this direction goes, whatever routes say */
#define FLOW_FLAG_REROUTE     0x20 /* of a decision only: both directions look for their way anew */
#define FLOW_FLAG_CHOSEN_BACK 0x40 /* of a decision only: CHOSEN of the reverse direction */

#define WEIR_HOLD_PACKETS 3 /* packets of a held flow that reach the slow path */

/*
 * Element of `flow_guards`; the index is an interface id: how many flows its packets may make,
 * and how many there are. The rate is a token bucket as in struct policer. A cache line of its own.
 */
struct flow_guard {  /* 64 bytes */
	__u64 cost;  /* time that a flow takes at the rate, 2^-POLICER_TIME_SHIFT ns; 0: no limit */
	__u64 burst; /* time that the whole bucket takes at the rate */
	__u64 time;  /* when the bucket is full again (written by the pipeline); wraps around */
	__u32 limit; /* flows at a time; 0: no limit */
	__u32 flows; /* that there are (written by the kernel programs) */
	__u64 over_rate;  /* packets refused: the bucket is empty */
	__u64 over_limit; /* packets refused: there are `limit` flows */
	__u64 table_full; /* packets that found no room in the flow table */
	__u64 gave_way;   /* half-open flows that went for newer ones */
};

/* Element of `half_open`: a TCP flow that was half open when it was made. */
struct half_open {            /* 48 bytes */
	struct flow6_key key; /* family 4: a struct flow4_key at its beginning */
	__u32 family;         /* 4 or 6; 0: none yet */
};

_Static_assert(sizeof(struct flow4_key) == 20, "flow4_key");
_Static_assert(sizeof(struct flow6_key) == 44, "flow6_key");
_Static_assert(sizeof(struct flow_entry) == 136, "flow_entry");
_Static_assert(sizeof(struct flow_guard) == 64, "flow_guard");
_Static_assert(sizeof(struct half_open) == 48, "half_open");

#endif
