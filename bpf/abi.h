/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The structs that cross a border: kernel programs, TypeScript, AssemblyScript.
 *
 * Declared here once. `layout.bpf.c` puts them into BTF, from which the TypeScript codecs
 * (sdk/layout/) and the AssemblyScript offsets (wasm/layout.ts) are generated.
 *
 * Numbers are in host byte order unless the type is __be16 or __be32. IPv4 addresses in a
 * 16-byte field are IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2). Times are
 * CLOCK_MONOTONIC nanoseconds. Every struct has explicit padding and a size that is a
 * multiple of 8, except where a comment says otherwise.
 */
#ifndef WEIR_ABI_H
#define WEIR_ABI_H

#include <linux/types.h>

/* Raised whenever a struct in this file changes meaning or size: a running instance with
 * another version is not adopted. */
#define WEIR_ABI_VERSION 7

/*
 * Ids from 1 on; a power of two. Its counters take 8.8 MiB a possible CPU: 1 KiB of drops, 80
 * bytes of traffic and 16 of trap limits for each; the tables that CPUs share, another 3 MiB.
 */
#define WEIR_MAX_INTERFACES 8192
#define WEIR_MAX_REASONS    64    /* drop reasons per interface in the drop counters */
#define WEIR_MAX_KINDS      16    /* counters of a VRF: one for each enum vrf_kind */
#define WEIR_LOW_NUMBERS    65536 /* labels and VNIs below are found without hashing */
#define WEIR_DEVICE_HINTS   16384
#define WEIR_TUNNEL_HINTS   4096

/* ---- why a packet is dropped ---------------------------------------------------------- */

/* The one list: DROP_NO_ROUTE becomes "no-route" in TypeScript, HTTP and the docs. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_INVALID_PACKET,       /* a header is cut short or contradicts itself */
	DROP_CHECKSUM,             /* a checksum that had to be verified is wrong */
	DROP_UNKNOWN_INTERFACE,    /* the device is not one of ours, or its VLAN is not */
	DROP_UNSUPPORTED_PROTOCOL, /* an Ethernet type that is neither bridged nor routed */
	DROP_SOURCE_MISMATCH,      /* a workload sent from an address or MAC that is not its own */
	DROP_RPF,                  /* the way back leads through another interface */
	DROP_NO_ROUTE,
	DROP_DISCARD,      /* the route or next hop says so */
	DROP_NO_NEXTHOP,   /* the next hop is gone or not valid */
	DROP_NO_NEIGHBOUR, /* the link-layer address could not be found in time */
	DROP_TTL_EXPIRED,
	DROP_PACKET_TOO_BIG,
	DROP_FRAGMENT,        /* a fragment whose ports are not known */
	DROP_UNKNOWN_UNICAST, /* no bridge entry for the destination MAC */
	DROP_BROADCAST,       /* a group frame with nobody to take it */
	DROP_POLICY_DENY,
	DROP_FLOW_TABLE_FULL,
	DROP_FLOW_LIMIT,    /* the interface's new-flow rate or flow count limit */
	DROP_HOLD_LIMIT,    /* more than three packets of a flow that is being decided */
	DROP_HOLD_TIMEOUT,  /* the decision did not come in time */
	DROP_NO_CONTROLLER, /* for user space, and nobody is there */
	DROP_TRAP_LIMIT,    /* more packets for the slow path than the interface may send */
	DROP_TRAP_FULL,     /* no frame, ring entry or event slot left in the slow path */
	DROP_TRAP_TOO_BIG, /* longer than what the slow path takes: see struct config, trap_bytes */
	DROP_UNHANDLED_TRAP, /* nobody registered for this trap */
	DROP_REDIRECT_FAILED,
	DROP_LOOP,
	DROP_UNKNOWN_VNI,
	DROP_UNKNOWN_LABEL,
	DROP_UNKNOWN_TUNNEL,
	DROP_FABRIC_TO_FABRIC,
	DROP_NAT_EXHAUSTED,
	DROP_POLICED,
	DROP_MIRROR,
	DROP_ECN,
};

/* ---- traps ---------------------------------------------------------------------------- */

/* Why a packet went to the slow path. TRAP_FLOW_MISS becomes "flow-miss". */
enum trap_reason {
	TRAP_NONE = 0,
	TRAP_FLOW_MISS,           /* a new flow, for policy */
	TRAP_ARP,                 /* to the gateway's MAC, and not answered by the kernel program */
	TRAP_NEIGHBOUR_DISCOVERY, /* the same of IPv6 */
	TRAP_DHCP,                /* a client's broadcast */
	TRAP_RESOLVE,             /* the next hop has no link-layer address yet */
	TRAP_TTL_EXPIRED,         /* to be answered with an ICMP error; counted as a drop */
	TRAP_NO_ROUTE,            /* to be answered with an ICMP unreachable; counted as a drop */
	TRAP_PACKET_TOO_BIG,      /* to be answered with an ICMP error; counted as a drop */
	TRAP_FRAGMENT, /* a datagram's later fragment that came before the first, or that first one */
	TRAP_MAC_LEARN,       /* a MAC was learned, or has moved */
	TRAP_IP_LEARN,        /* kept for later; not raised */
	TRAP_SOURCE_MISMATCH, /* kept for later; not raised */
	TRAP_LOG,             /* names events of rules with log; no packet is trapped for it */
	TRAP_ASK,             /* names flows that wait for the controller */
	TRAP_BFD,             /* kept for later; not raised */
	TRAP_USER,            /* kept for later; not raised */
	TRAP_IGMP,            /* or MLD: who listens to which groups */
};

#define WEIR_TRAP_MAGIC 0x57454952 /* "WEIR"; first word of either header on the trap link */
#define WEIR_CUT_MAGIC \
	0x57435554 /* "WCUT"; of struct inject_meta towards the far end: cut, and back */

/*
 * Stands directly in front of the first byte of a trapped packet: as XDP metadata on a
 * direct socket, as a prepended header on the trap link (whose far end turns it into
 * metadata). XDP metadata is limited to 32 bytes.
 */
struct trap_meta {             /* 32 bytes */
	__u32 magic;           /* WEIR_TRAP_MAGIC */
	__u8 reason;           /* enum trap_reason */
	__u8 flags;            /* TRAP_FLAG_* */
	__u8 forwarding_class; /* CLASS_NONE, or one more than the class */
	__u8 l3_offset; /* bytes from the first byte of the packet to its IP or ARP header; 0: none */
	__u16 interface;       /* id of the interface that received it */
	__u16 out_interface;   /* id of the interface that the next hop leads to; 0: unknown */
	__u32 vrf;             /* in which the destination was looked up */
	__u32 nexthop;         /* of the destination; 0: no route */
	__u32 reverse_nexthop; /* of the source; 0: no route */
	__u32 generation;      /* of the hold entry */
	__u32 ingress;         /* where it came from, as in struct flow_entry */
};

#define TRAP_FLAG_IPV6       0x01
#define TRAP_FLAG_HOLD_OWNER 0x02 /* this packet made the hold entry */
#define TRAP_FLAG_BRIDGED    0x04 /* the next hop came from the fdb: no TTL, no MAC rewrite */
#define TRAP_FLAG_LABEL      0x08 /* `nexthop` is what the packet's MPLS label leads to */
#define TRAP_FLAG_MOVED      0x10 /* mac-learn: the MAC was on another interface before */
#define TRAP_FLAG_PORTS      0x20 /* fragment: the datagram's ports are known, nobody need wait */
#define TRAP_FLAG_MIRRORED   0x40 /* the copy that its flow asks for has been made */
#define TRAP_FLAG_STATELESS  0x80 /* flow-miss: no room for its flow, the packet alone is decided */

/* What the slow path asks the node's end of the trap link to do. */
enum inject_action {
	INJECT_NONE = 0,
	INJECT_RECEIVED, /* as if `interface` had received it: the whole pipeline */
	INJECT_TRANSMIT, /* out of `interface`, as it is */
	INJECT_ROUTE,    /* look its destination up in `vrf`; TTL not lowered, no policy */
	INJECT_MIRROR,   /* it is a copy, for `mirror`, of what `interface` received */
};

#define INJECT_FLAG_BRIDGED  0x01 /* ROUTE: look its destination MAC up instead */
#define INJECT_FLAG_MIRRORED 0x02 /* RECEIVED: the copy that its flow asks for has been made */
#define INJECT_FLAG_ALLOWED  0x04 /* RECEIVED: policy allows the packet, and it has no flow */

struct inject_meta { /* 32 bytes; the packet follows */
	__u32 magic; /* WEIR_TRAP_MAGIC */
	__u8 action; /* enum inject_action */
	__u8 flags;  /* INJECT_FLAG_* */
	__u16 interface;
	__u32 vrf;
	__u32 ingress; /* RECEIVED: struct trap_meta's; a tunnel: the packet has been decapsulated, into `vrf` */
	__u32 nexthop;         /* RECEIVED from a tunnel: what its label led to; 0: it had none */
	__u8 forwarding_class; /* RECEIVED: struct trap_meta's */
	__u8 mirror;           /* MIRROR: index in `mirrors` */
	__u8 reserved0[2];
	__u32 reserved[2];
};

/* ---- interfaces ----------------------------------------------------------------------- */

/* Key of `devices`: which interface a device (and VLAN) is. */
struct device_key { /* 8 bytes */
	__u32 ifindex;
	__u32 vlan; /* VLAN id 1..4094; 0: untagged */
};

enum interface_role {
	ROLE_NONE = 0,
	ROLE_WORKLOAD,
	ROLE_FABRIC,
	ROLE_HOST,
};

/* Element of `interfaces`; the index is the interface id, 0 is never used. */
struct interface {     /* 128 bytes */
	__u32 ifindex; /* 0: no such interface */
	__u32 vrf;
	__u32 nexthop;       /* its own next hop: the way to this interface */
	__u32 flags;         /* INTERFACE_* */
	__u8 role;           /* enum interface_role */
	__u8 worker;         /* that owns its traps */
	__u16 policy;        /* index of its policy set in the slow path; 0: none */
	__u32 xsk_base;      /* first index in `xsks` of its own sockets, one a receive queue */
	__u32 xsk_count;     /* 0: its traps go over the trap link */
	__u32 mtu;           /* of the device, layer 3, in bytes */
	__u8 mac[6];         /* of the workload; all zero: not known yet */
	__u8 device_mac[6];  /* of the device itself */
	__u8 gateway_mac[6]; /* that Weir answers with */
	__u16 vlan;
	__be32 address4;   /* its first own IPv4 address; 0: none */
	__be32 gateway4;   /* first IPv4 gateway: source of ICMP errors */
	__u8 address6[16]; /* its first own IPv6 address; ::: none */
	__u8 gateway6[16];
	__u8 mirror_received; /* index in `mirrors`: copies of what it sent to us; 0: none */
	__u8 mirror_sent;     /* the same of what goes out of it */
	__u8 qos_map;         /* index in `qos_maps`; 0: none */
	__u8 reserved0;
	__u32 reserved[8];
};

#define INTERFACE_POLICY       0x0001 /* new flows are decided */
#define INTERFACE_SOURCE_CHECK 0x0002 /* source address and MAC must be its own */
#define INTERFACE_LEARN_MAC    0x0004 /* mac is taken from what it sends */
#define INTERFACE_MAC_LEARNED  0x0008 /* mac was learned (set by the kernel program) */
#define INTERFACE_PROXY_ARP    0x0010 /* answer for addresses that have a route */
#define INTERFACE_XDP          0x0020 /* its packets are decided on the XDP hook */
#define INTERFACE_PEER         0x0040 /* a veth whose other end is in another namespace */
#define INTERFACE_DOWN         0x0080 /* device is gone or down */
#define INTERFACE_RPF_LOOSE    0x0100 /* there must be a route to the source */
#define INTERFACE_RPF_STRICT   0x0200 /* and it must lead back to where the packet came from */
#define INTERFACE_MSS_CLAMP \
	0x0400 /* TCP SYNs through it offer no larger segments than the next hop takes */
#define INTERFACE_BRIDGE_LEARN    0x0800 /* source MACs are put into the fdb */
#define INTERFACE_MIRROR          0x1000 /* mirror_received or mirror_sent is not 0 */
#define INTERFACE_QOS             0x2000 /* qos_map is not 0 */
#define INTERFACE_POLICE_RECEIVED 0x4000 /* a token bucket limits what it sends to us */
#define INTERFACE_POLICE_SENT     0x8000 /* the same of what goes out of it */
#define INTERFACE_FULL_FORWARD \
	0x10000 /* without room in the flow table, policy decides on each of its packets */
#define INTERFACE_SYN_GUARD 0x20000 /* its half-open TCP flows give way to newer ones */

/* Key of `interface_addresses`: what an address means on an interface. */
struct interface_address_key { /* 20 bytes */
	__u32 interface;
	__u8 address[16];
};

#define ADDRESS_OWN     0x1 /* the workload may send from it */
#define ADDRESS_GATEWAY 0x2 /* Weir answers ARP, ND and echo for it */

/* ---- quality of service ---------------------------------------------------------------- */

#define WEIR_MAX_QOS_MAPS 256 /* element 0 is never used */
#define WEIR_MAX_CLASSES  64

/* No QoS map has said anything: code points stay as they are. */
#define CLASS_NONE 0

/* The code points that packets of a forwarding class leave with. */
struct class_marks { /* 8 bytes */
	__u8 dscp;   /* 0..63 */
	__u8 exp;    /* of a pushed MPLS label, 0..7 (RFC 5462: traffic class) */
	__u8 pcp;    /* of the VLAN tag, 0..7 (IEEE 802.1Q) */
	__u8 flags;  /* MARK_* */
	__u16 queue; /* transmit queue, from 0; TC hook only */
	__u16 reserved;
};

/* Which of them the map says anything about. */
#define MARK_DSCP  0x1
#define MARK_EXP   0x2
#define MARK_PCP   0x4
#define MARK_QUEUE 0x8

/*
 * Element of `qos_maps`; the index is interface.qos_map. What a received code point stands
 * for, CLASS_NONE or one more than the class, and how the classes leave.
 */
struct qos_map { /* 592 bytes */
	__u8 dscp_class[64];
	__u8 exp_class[8];
	__u8 pcp_class[8];
	struct class_marks marks[WEIR_MAX_CLASSES];
};

/* Which of an interface's two policers; `policers` has them at id * POLICE_DIRECTIONS + this. */
#define POLICE_RECEIVED   0 /* of what it sends to us */
#define POLICE_SENT       1 /* of what goes out of it */
#define POLICE_DIRECTIONS 2

/* Units of struct policer. */
#define POLICER_TIME_SHIFT 8 /* `time` and `burst` are in 2^-8 ns */
#define POLICER_COST_SHIFT \
	12 /* `cost` is in 2^-12 of that, 2^-20 ns: 64 bytes at 400 Gbit/s are 1.28 ns */

/*
 * Element of `policers`: a token bucket that all CPUs share, as the generic cell rate
 * algorithm has it (ITU-T I.371 annex A, virtual scheduling). A cache line of its own.
 */
struct policer {     /* 64 bytes */
	__u64 cost;  /* time that a byte takes at the rate; 0: no limit */
	__u64 burst; /* time that the whole bucket takes at the rate */
	__u64 time;  /* when the bucket is full again (written by the pipeline); wraps around */
	__u64 dropped_packets; /* segments of a large packet count as one */
	__u64 dropped_bytes;
	__u64 reserved[3];
};

/* ---- routes and next hops ------------------------------------------------------------- */

/* Keys of `routes4`, `routes6` (LPM trie): prefix_length counts the 32 bits of the VRF too. */
struct route4_key {          /* 12 bytes */
	__u32 prefix_length; /* 32..64 */
	__be32 vrf;
	__be32 address;
};

struct route6_key {          /* 24 bytes */
	__u32 prefix_length; /* 32..160 */
	__be32 vrf;
	__u8 address[16];
};

struct route { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* MPLS label or VNI, host order */
	__u32 flags; /* ROUTE_* */
	__u32 reserved;
};

#define ROUTE_LABEL   0x1 /* label is an MPLS label */
#define ROUTE_VNI     0x2 /* label is a VNI */
#define ROUTE_DEFAULT 0x4 /* prefix length 0: no proxy ARP for what it covers */

/* Key of `fdb`. */
struct fdb_key { /* 12 bytes */
	__u32 vrf;
	__u8 mac[6];
	__u16 reserved;
};

struct fdb_entry { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* MPLS label or VNI, host order */
	__u32 flags; /* ROUTE_LABEL, ROUTE_VNI, FDB_* */
	__u32 seen; /* FDB_LEARNED: last frame from it, seconds of CLOCK_MONOTONIC (written by the kernel) */
};

#define FDB_LEARNED 0x10 /* by the kernel program, from a frame; ages */

enum nexthop_type {
	NEXTHOP_NONE = 0,
	NEXTHOP_INTERFACE,
	NEXTHOP_LOCAL,
	NEXTHOP_DISCARD,
	NEXTHOP_RESOLVE,
	NEXTHOP_TUNNEL,
	NEXTHOP_ECMP,
	NEXTHOP_VRF,
	NEXTHOP_FLOOD,
};

/* Header of a tunnel, between the outer IP header and the inner packet. */
enum encap {
	ENCAP_NONE = 0,
	ENCAP_VXLAN,    /* UDP 4789 (RFC 7348) */
	ENCAP_MPLS_UDP, /* UDP 6635 (RFC 7510) */
	ENCAP_MPLS_GRE, /* GRE 0x8847 (RFC 4023) */
};

/* Element of `nexthops`; the index is the next hop id, 0 is never used. */
struct nexthop {         /* 128 bytes */
	__u8 type;       /* enum nexthop_type */
	__u8 encap;      /* enum encap; type tunnel */
	__u16 interface; /* outgoing interface id; type tunnel: 0 */
	__u32 ifindex;   /* outgoing device */
	__u32 flags;     /* NEXTHOP_FLAG_* */
	__u32 mtu; /* layer 3 bytes that fit, of a tunnel: of the inner packet; 0: do not check */
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u32 vrf;      /* type vrf: look up again there */
	__u32 underlay; /* type tunnel: interface or ecmp that leads to the remote; 0: none does */
	__u32 members_first;     /* index in `members`; types ecmp and flood */
	__u32 members_count;     /* ecmp: buckets, a power of two; flood: members */
	__u8 underlay_family;    /* 4 or 6; type tunnel */
	__u8 hash_fields;        /* HASH_*; type ecmp; 0: all */
	__u8 router_mac[6];      /* inner destination MAC of routed packets; zero: the gateway's */
	__u32 counter;           /* index in `tunnel_counters`; 0: not counted */
	__u8 local_address[16];  /* outer source; IPv4: mapped */
	__u8 remote_address[16]; /* outer destination; IPv4: mapped */
	__u32 reserved[10];
};

#define NEXTHOP_FLAG_POLICY  0x1 /* the interface it leads to has policy */
#define NEXTHOP_FLAG_PEER    0x2 /* bpf_redirect_peer may be used */
#define NEXTHOP_FLAG_RESOLVE 0x4 /* destination_mac is not known: trap to the slow path */
#define NEXTHOP_FLAG_DOWN    0x8 /* leads nowhere at present; an ecmp avoids it */

/* Which fields of the packet choose the bucket of an ecmp. */
#define HASH_SOURCE           0x01
#define HASH_DESTINATION      0x02
#define HASH_PROTOCOL         0x04
#define HASH_SOURCE_PORT      0x08
#define HASH_DESTINATION_PORT 0x10

/*
 * Element of `members`: a bucket of an ecmp, or a member of a flood. Buckets are handed out
 * by weight; those of a member that is lost are the only ones that change. Members of a flood
 * stand in the order: interfaces, then tunnels by the size of their headers, smallest first
 * (IPv4 before IPv6; mpls-gre, mpls-udp, vxlan), since the kernel can only add to a frame.
 */
struct member { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* instead of the route's, if flags say so */
	__u32 flags; /* ROUTE_LABEL, ROUTE_VNI, MEMBER_DEAD */
	__u32 reserved;
};

#define MEMBER_DEAD 0x80 /* is not to be used */

/* ---- overlay --------------------------------------------------------------------------- */

/* Value of `labels`; the key is an MPLS label (0..1048575). */
struct label_entry {   /* 16 bytes */
	__u32 nexthop; /* interface, ecmp, local, discard; vrf: look up there, and the TTL falls */
	__u32 flags;   /* LABEL_* */
	__u32 vrf;     /* of the flow key; of the interface that the next hop leads to */
	__u32 reserved;
};

#define LABEL_ETHERNET 0x1 /* an Ethernet frame follows the label, not an IP packet */

/* Value of `vnis`; the key is a VNI (0..16777215). */
struct vni_entry { /* 8 bytes */
	__u32 vrf;
	__u32 flags; /* none yet */
};

/* Key of `underlay_addresses`: the node's own addresses that tunnels end at; the value is a __u32, not 0. */
struct underlay_address { /* 16 bytes */
	__u8 address[16]; /* IPv4: mapped */
};

/* Key of `tunnels`: which tunnel next hop a received packet belongs to; the value is its id. */
struct tunnel_key {      /* 20 bytes */
	__u8 remote[16]; /* outer source; IPv4: mapped */
	__u32 encap;     /* enum encap */
};

/* Element of `tunnel_counters` (per CPU); index = nexthop.counter. Bytes with the outer headers. */
struct tunnel_counters { /* 32 bytes */
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rx_packets;
	__u64 rx_bytes;
};

/* Element of `vrfs`; the index is the VRF id, 0 is never used. */
struct vrf {         /* 16 bytes */
	__u32 flags; /* VRF_* */
	__u32 reserved[3];
};

#define VRF_FLOOD_UNKNOWN 0x1 /* unknown unicast follows the fdb's ff:ff:ff:ff:ff:ff entry */
#define VRF_POLICY        0x2 /* an interface of it has policy */

/* How a VRF's packets left it. VRF_KIND_VXLAN becomes "vxlan". */
enum vrf_kind {
	VRF_KIND_NONE = 0,
	VRF_KIND_INTERFACE, /* routed out of an interface */
	VRF_KIND_BRIDGED,   /* bridged out of an interface */
	VRF_KIND_LOCAL,
	VRF_KIND_DISCARD,
	VRF_KIND_RESOLVE,
	VRF_KIND_VXLAN,
	VRF_KIND_MPLS_UDP,
	VRF_KIND_MPLS_GRE,
	VRF_KIND_ECMP, /* an ecmp on the way, besides what its member counts */
	VRF_KIND_VRF,  /* a translation on the way, besides */
	VRF_KIND_FLOOD,
};

/* Element of `vrf_counters` (per CPU); index = VRF id * WEIR_MAX_KINDS + enum vrf_kind. */
struct vrf_counter { /* 16 bytes */
	__u64 packets;
	__u64 bytes;
};

/* Key of `fragments`: the datagram that a fragment is part of. */
struct fragment_key { /* 44 bytes */
	__u32 vrf;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__be32 identification; /* IPv4: in the last two bytes */
	__u8 protocol; /* IPv4 (RFC 791); IPv6: 0, it does not count (RFC 8200 section 4.5) */
	__u8 reserved[3];
};

/* What its first fragment told, or who waits for that. */
struct fragment_entry { /* 16 bytes */
	__u64 seen;
	__be16 source_port;
	__be16 destination_port;
	__u8 flags;  /* FRAGMENT_* */
	__u8 worker; /* FRAGMENT_AWAITED: where later ones wait */
	__u8 protocol;
	__u8 reserved;
};

#define FRAGMENT_PORTS   0x1 /* the ports are known, and the protocol */
#define FRAGMENT_AWAITED 0x2 /* later fragments came before the first */

/* ---- mirrors --------------------------------------------------------------------------- */

#define WEIR_MAX_MIRRORS 256

/* Element of `mirrors`; the index, 0 is never used, is what interfaces and flows name. */
struct mirror {         /* 16 bytes */
	__u32 nexthop;  /* interface: the device, tunnel, or ecmp of those; 0: no such mirror */
	__u32 label;    /* that goes with it */
	__u32 flags;    /* ROUTE_LABEL, ROUTE_VNI */
	__u32 truncate; /* bytes of a frame that are copied at most; 0: all */
};

/* Element of `mirror_counters` (per CPU), with the same index. Bytes from the MAC header, as copied. */
struct mirror_counters { /* 24 bytes */
	__u64 packets;
	__u64 bytes;
	__u64 drops; /* copies that could not be made */
};

/* ---- flows ---------------------------------------------------------------------------- */

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
	__u64 bytes; /* from the first byte of the IP header */
	__u32 nexthop;
	__u32 generation;   /* unique for this pair of entries; a decision must name it */
	__u32 rule;         /* policy rule that decided; 0: none */
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
	__u32 label;   /* MPLS label or VNI that goes with `nexthop`; LABEL_IS_* in the high byte */
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
	__u32 reserved;
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

/* ---- decisions: slow path to kernel, applied by weir_flow_update ------------------------ */

enum decision_operation {
	DECISION_NONE = 0,
	DECISION_SET,    /* insert or replace the pair */
	DECISION_DELETE, /* remove the pair */
};

/* DECISION_STALE becomes "stale". */
enum decision_result {
	DECISION_PENDING = 0,
	DECISION_OK,
	DECISION_STALE,  /* the entry there has another generation, or policy has changed since */
	DECISION_EXISTS, /* decided already */
	DECISION_FULL,
	DECISION_MISSING, /* nothing to delete or replace */
};

/* Element of `decisions`. */
struct flow_decision {  /* 160 bytes */
	__u8 operation; /* enum decision_operation */
	__u8 result;    /* enum decision_result, written by the kernel */
	__u8 family;    /* 4 or 6 */
	__u8 action;    /* enum flow_action */
	__u8 flags;     /* FLOW_FLAG_* of the forward entry */
	__u8 worker;
	__u8 drop_reason;
	__u8 mirror;
	__u32 generation; /* of the entry that it replaces; 0: there must be none */
	__u32 vrf;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 reserved0;
	__u16 reserved1;
	__u32 ingress; /* where either direction must come from, as in struct flow_entry; ... */
	__u32 reverse_ingress; /* ... 0: where the other direction's next hop leads to */
	__u32 nexthop;
	__u32 reverse_nexthop;
	__u32 rule;
	__u32 idle_seconds;
	__u32 revision;
	__u32 new_generation; /* of the entry now in place, written by the kernel */
	__u32 label; /* as in struct flow_entry; 0: the hold entry's, if the next hop is that of the hold */
	__u32 reverse_label; /* 0: that of the entry in place */
	__u32 reverse_vrf;   /* 0: the hold entry's, else `vrf` */
	__u8 new_source[16]; /* action nat, as in struct flow_entry: of the forward entry */
	__u8 new_destination[16];
	__be16 new_source_port;
	__be16 new_destination_port;
	__u8 reverse_mirror; /* 0: `mirror` */
	__u8 reserved2[3];
	__u32 reserved[5];
};

#define WEIR_DECISIONS_PER_WORKER 1024 /* 160 KiB: a multiple of the page */
#define WEIR_MAX_WORKERS          16

/* Context of the SYSCALL programs. */
struct flow_update_args { /* 16 bytes */
	__u32 first;      /* index in `decisions` */
	__u32 count;
	__u32 applied; /* written by the kernel */
	__u32 removed; /* written by the kernel: entries that DECISION_DELETE took away */
};

enum slot_state {
	SLOT_FREE = 0,
	SLOT_SINGLE,  /* in use, by a hold or by an entry without a reverse one */
	SLOT_PAIR,    /* in use, by both entries of a flow */
	SLOT_MISSING, /* no entry was found at the last look */
};

/* Element of `flow_slots4`: where the sweep finds an entry, see bpf/flow_slot.h. */
struct flow_slot4 {  /* 32 bytes */
	__u64 due;   /* not to be looked at before; free: the next free one, plus one */
	__u32 state; /* enum slot_state */
	struct flow4_key key;
};

/* Element of `flow_slots6`. */
struct flow_slot6 { /* 64 bytes */
	__u64 due;
	__u32 state;
	struct flow6_key key;
	__u32 reserved[2];
};

/* Element of `flow_slot_pools`; 0: IPv4, 1: IPv6. */
struct flow_slot_pool { /* 64 bytes */
	__u64 free;     /* the first free slot, plus one; in the high half the number of changes */
	__u32 begun;    /* slots that have ever been in use: all from this one on never were */
	__u32 reserved[13];
};

#define WEIR_SWEEP_SLICE_NS 2000000 /* after which weir_flow_sweep returns */

/* Context of weir_flow_sweep: a slice of a round of ageing, see bpf/flow_sweep.h. Counts are entries. */
struct flow_sweep_args { /* 40 bytes */
	__u32 family;    /* 4 or 6 */
	__u32 all;       /* 1: look also at flows that are not due */
	__u32 next;      /* slot to begin with; written: to go on with */
	__u32 done;      /* written: 1 when that was the last one */
	__u32 seen;      /* this and all that follow are added to */
	__u32 looked;
	__u32 removed;
	__u32 marked; /* one a pair */
	__u32 holds;  /* that were left */
	__u32 reserved;
};

/* ---- configuration and counters ---------------------------------------------------------- */

/* Element 0 of `config` (mmapable). */
struct config {            /* 128 bytes */
	__u32 abi_version; /* WEIR_ABI_VERSION */
	__u32 generation;  /* next flow generation; the kernel programs count it up */
	__u32 workers;
	__u32 trap_ifindex;     /* node's end of the trap link */
	__u32 headless_forward; /* new flows without a controller: 0 drop, 1 forward without state */
	__u32 hold_timeout_ms;
	__u32 trap_rate; /* ICMP-error traps a second an interface may cause */
	__u32 revision;  /* of the policy in force */
	/* idle times, seconds */
	__u16 tcp_syn_seconds;
	__u16 tcp_established_seconds;
	__u16 tcp_fin_seconds;
	__u16 tcp_reset_seconds;
	__u16 udp_seconds;
	__u16 icmp_seconds;
	__u16 other_seconds;
	__u16 reserved0;
	__u32 trap_bytes;      /* longest frame that the slow path takes; 0: any */
	__u32 foreign_tunnels; /* tunnel packets that are not ours: 0 to the host, 1 drop */
	__u8 gateway_mac[6];   /* inner MAC of routed packets in tunnels: node.gatewayMac */
	__u16 reserved1;
	__be32 underlay4;   /* one of `underlay_addresses`, found without looking there; 0: none */
	__u8 underlay6[16]; /* the same of IPv6; ::: none */
	__u32 drop_samples; /* dropped packets that are sampled, a second; 0: none are */
	__u32 half_open_mask; /* elements of `half_open`, a power of two, - 1 */
	__u32 half_open_next; /* next element, modulo their number; the pipeline counts it up */
	__u32 reserved[8];
};

/* Element of `interface_counters` (per CPU); index = interface id. */
struct interface_counters { /* 80 bytes */
	__u64 rx_packets;   /* each that came from the device once, malformed ones too */
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 trap_packets;
	__u64 trap_bytes;
	__u64 local_packets; /* passed to the host's stack */
	__u64 local_bytes;
	__u64 flow_hits; /* decided by a flow entry */
	__u64 answered;  /* ARP, ND and echo answered by the program itself */
};

/* Element of `drop_counters` (per CPU); index = interface id * WEIR_MAX_REASONS + reason. */
struct drop_counter { /* 16 bytes */
	__u64 packets;
	__u64 bytes;
};

#define WEIR_SAMPLE_BYTES 128 /* of a dropped packet that a sample holds */

enum sample_hook {
	SAMPLE_NONE = 0,
	SAMPLE_XDP,
	SAMPLE_TC,
};

/* Record of `drop_samples`: a packet as it was when it was dropped. */
struct drop_sample {         /* 200 bytes */
	__u64 time;          /* of the drop */
	__u32 length;        /* bytes of the frame, as `drop_counters` have them */
	__u32 rule;          /* policy rule that decided; 0: none */
	__u32 vrf;           /* as in the flow's key */
	__u32 ingress;       /* where it came from, as in struct flow_entry; 0: not known */
	__u16 interface;     /* whose counter it is in */
	__u16 out_interface; /* that the next hop leads to; 0: not known */
	__u16 vlan;          /* id of the outermost tag; TC: the tag itself is not in `head` */
	__u16 head_length;   /* bytes of `head` */
	__u8 reason;         /* enum drop_reason */
	__u8 hook;           /* enum sample_hook */
	__u8 family;         /* 4 or 6; 0: no IP header was read, and the rest of the key is 0 */
	__u8 protocol;
	__be16 source_port; /* 0: was not read; else as in struct flow4_key */
	__be16 destination_port;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__u8 head[WEIR_SAMPLE_BYTES]; /* from the Ethernet header on */
};

/* Element 0 of `drop_sampling`: the limit of config.drop_samples, over all CPUs. */
struct drop_sampling { /* 16 bytes */
	__u64 window_start;
	__u64 taken; /* in this window */
};

/* Element 0 of `drop_sample_counters` (per CPU). */
struct drop_sample_counters { /* 24 bytes */
	__u64 sampled;
	__u64 limited; /* not sampled, because of config.drop_samples */
	__u64 lost;    /* to be sampled, but there was no room in `drop_samples` */
};

/* Element of `trap_limits` (per CPU); index = interface id. */
struct trap_limit { /* 16 bytes */
	__u64 window_start;
	__u64 count;
};

/* ---- traces: what a second load of the programs writes down, see bpf/trace_record.h ------ */

/*
 * What a step of a trace tells. TRACE_FLOW_MISS becomes "flow-miss". `code`, `id` and `other`
 * below are those of struct trace_record; what a stage does not name is 0.
 */
enum trace_stage {
	TRACE_NONE = 0,
	TRACE_INTERFACE,   /* the one that received it; code: VLAN id of the frame */
	TRACE_CLASS,       /* by the interface's QoS map; code: forwarding class, 0: none */
	TRACE_DECAPSULATE, /* code: enum encap; id: label or VNI */
	TRACE_LEARN,       /* the source MAC would be learned; code: enum trace_learned */
	TRACE_ANSWER,      /* the program answers itself */
	TRACE_FLOW,        /* code: enum flow_action; id: rule; other: next hop */
	TRACE_FLOW_MISS,   /* code: enum flow_action of an entry that does not count; `frame` */
	TRACE_NAT,         /* by its flow; the key is that of what it has become */
	TRACE_ROUTE,   /* in `route_vrf`; code: 1, id: next hop, other: label; 0: there is none */
	TRACE_BRIDGE,  /* the same of the bridge entry for destination_mac */
	TRACE_ECMP,    /* id: the ecmp; `nexthop`: the choice */
	TRACE_VRF,     /* id: the next hop; code: VRF to look up in */
	TRACE_NEXTHOP, /* code: enum nexthop_type */
	TRACE_MEMBER,  /* of a flood, whose copy follows; code: enum nexthop_type; id: next hop */
	TRACE_REWRITE, /* routed: the MACs are the new ones; code: TTL */
	TRACE_ENCAPSULATE, /* code: enum encap; id: tunnel next hop; other: that of the underlay */
	TRACE_OUTPUT,      /* out of `out_interface`; code: VLAN tag beside the frame */
	TRACE_COPY,        /* a copy out of `out_interface`; code: the same; `frame` */
	TRACE_MIRROR,      /* a copy of it as it is now; code: index in `mirrors` */
	TRACE_HOST,        /* to the host's stack */
	TRACE_HAND_OVER,   /* XDP leaves it to TC on the same device */
	TRACE_TRAP,        /* to the slow path; code: enum trap_reason */
	TRACE_DROP,        /* the packet, or a copy; code: enum drop_reason */
};

enum trace_learned {
	TRACE_LEARNED_NONE = 0,
	TRACE_LEARNED_WORKLOAD, /* MAC of the workload */
	TRACE_LEARNED_BRIDGE,   /* a new bridge entry */
	TRACE_LEARNED_MOVED,    /* the bridge entry was of another interface */
};

/* Element of `trace_log`: how many of the other two maps are in use. */
struct trace_log {   /* 8 bytes */
	__u32 steps; /* may count on beyond WEIR_TRACE_STEPS: those are lost */
	__u32 frames;
};

/* Element of `trace_records`: a step, and the walk as it was then. */
struct trace_record { /* 104 bytes */
	__u8 stage;   /* enum trace_stage */
	__u8 family;  /* 4, 6; 0: not IP */
	__u8 protocol;
	__u8 ttl;   /* as it came */
	__u8 flags; /* TRACE_FLAG_* */
	__u8 l3_offset;
	__u16 frame; /* index in `trace_frames` + 1; 0: none */
	__u32 code;  /* by stage, see there */
	__u32 id;
	__u32 other;
	__u32 vrf;       /* of the flow's key */
	__u32 route_vrf; /* in which the destination is looked up */
	__u32 nexthop;
	__u32 reverse_nexthop;
	__u32 label;   /* as in struct flow_entry */
	__u32 ingress; /* as in struct flow_entry */
	__u32 length;  /* bytes of the frame */
	__u16 interface;
	__u16 out_interface;
	__be16 source_port; /* as in struct flow4_key */
	__be16 destination_port;
	__u32 reserved;
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
};

#define TRACE_FLAG_ROUTED 0x1 /* else bridged */

#define WEIR_TRACE_STEPS  1024 /* a flood with the most members, each with a tunnel */
#define WEIR_TRACE_FRAMES 256

/* Element of `trace_frames`. */
struct trace_frame {  /* 4104 bytes */
	__u32 length; /* of the whole frame */
	__u32 reserved;
	__u8 bytes[4096]; /* the beginning of it */
};

/* The generated layouts rely on these. */
_Static_assert(sizeof(struct trap_meta) == 32, "trap_meta");
_Static_assert(sizeof(struct inject_meta) == 32, "inject_meta");
_Static_assert(sizeof(struct device_key) == 8, "device_key");
_Static_assert(sizeof(struct interface) == 128, "interface");
_Static_assert(sizeof(struct class_marks) == 8, "class_marks");
_Static_assert(sizeof(struct qos_map) == 592, "qos_map");
_Static_assert(sizeof(struct policer) == 64, "policer");
_Static_assert(sizeof(struct interface_address_key) == 20, "interface_address_key");
_Static_assert(sizeof(struct route4_key) == 12, "route4_key");
_Static_assert(sizeof(struct route6_key) == 24, "route6_key");
_Static_assert(sizeof(struct route) == 16, "route");
_Static_assert(sizeof(struct fdb_key) == 12, "fdb_key");
_Static_assert(sizeof(struct fdb_entry) == 16, "fdb_entry");
_Static_assert(sizeof(struct nexthop) == 128, "nexthop");
_Static_assert(sizeof(struct member) == 16, "member");
_Static_assert(sizeof(struct label_entry) == 16, "label_entry");
_Static_assert(sizeof(struct vni_entry) == 8, "vni_entry");
_Static_assert(sizeof(struct underlay_address) == 16, "underlay_address");
_Static_assert(sizeof(struct tunnel_key) == 20, "tunnel_key");
_Static_assert(sizeof(struct tunnel_counters) == 32, "tunnel_counters");
_Static_assert(sizeof(struct vrf) == 16, "vrf");
_Static_assert(sizeof(struct vrf_counter) == 16, "vrf_counter");
_Static_assert(sizeof(struct fragment_key) == 44, "fragment_key");
_Static_assert(sizeof(struct fragment_entry) == 16, "fragment_entry");
_Static_assert(sizeof(struct mirror) == 16, "mirror");
_Static_assert(sizeof(struct mirror_counters) == 24, "mirror_counters");
_Static_assert(sizeof(struct flow4_key) == 20, "flow4_key");
_Static_assert(sizeof(struct flow6_key) == 44, "flow6_key");
_Static_assert(sizeof(struct flow_entry) == 136, "flow_entry");
_Static_assert(sizeof(struct flow_guard) == 64, "flow_guard");
_Static_assert(sizeof(struct half_open) == 48, "half_open");
_Static_assert(sizeof(struct flow_decision) == 160, "flow_decision");
_Static_assert(sizeof(struct flow_update_args) == 16, "flow_update_args");
_Static_assert(sizeof(struct flow_slot4) == 32, "flow_slot4");
_Static_assert(sizeof(struct flow_slot6) == 64, "flow_slot6");
_Static_assert(sizeof(struct flow_slot_pool) == 64, "flow_slot_pool");
_Static_assert(sizeof(struct flow_sweep_args) == 40, "flow_sweep_args");
_Static_assert(sizeof(struct config) == 128, "config");
_Static_assert(sizeof(struct interface_counters) == 80, "interface_counters");
_Static_assert(sizeof(struct drop_counter) == 16, "drop_counter");
_Static_assert(sizeof(struct drop_sample) == 200, "drop_sample");
_Static_assert(sizeof(struct drop_sampling) == 16, "drop_sampling");
_Static_assert(sizeof(struct drop_sample_counters) == 24, "drop_sample_counters");
_Static_assert(sizeof(struct trap_limit) == 16, "trap_limit");
_Static_assert(sizeof(struct trace_log) == 8, "trace_log");
_Static_assert(sizeof(struct trace_record) == 104, "trace_record");
_Static_assert(sizeof(struct trace_frame) == 4104, "trace_frame");

#endif
