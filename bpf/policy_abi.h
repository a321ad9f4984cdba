/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Compiled policy, as the main thread writes it into a worker's WebAssembly memory and the slow path reads it
 * (wasm/policy). How it decides is in docs/policy.md. The kernel never sees it.
 */
#ifndef WEIR_POLICY_ABI_H
#define WEIR_POLICY_ABI_H

#include "abi.h"

enum rule_action {
	RULE_NONE = 0,
	RULE_ALLOW,
	RULE_DENY,
	RULE_REJECT,
	RULE_LOG,  /* report, and go on */
	RULE_PASS, /* go on with the next policy */
	RULE_ASK,
};

enum rule_direction {
	DIRECTION_NONE = 0,
	DIRECTION_INGRESS, /* towards the workload */
	DIRECTION_EGRESS,  /* from the workload */
};

/*
 * What is in force. One word of the control block names it, so that rules and the members of
 * address sets change together, at once. Policy sets that are the same as before stay where they are.
 */
struct policy_root {    /* 16 bytes */
	__u32 revision; /* reported with the decisions */
	__u32 set_count;
	__u32 sets; /* __u32[set_count], index: interface.policy; addresses of struct policy_set, 0: none */
	__u32 address_sets; /* address of struct address_sets */
};

/*
 * Bitmaps, one bit a rule (or an address set), are trees of nodes of 64 bytes. A leaf has 512
 * bits, an inner node the offsets of 16 leaves, a row those of `width` inner nodes; 0: no bit
 * below is set. Equal nodes are stored once, so that the rows of neighbouring intervals share
 * all that they have in common.
 */
#define BITMAP_LEAF_BITS 512
#define BITMAP_CHILDREN  16
#define BITMAP_ROW_BITS  8192 /* below one word of a row: all of its leaves */

/*
 * The values of a packet field, cut where the set of rules that take them changes: the row of a
 * value is that of the last bound that is not above it. All offsets are bytes from the first
 * byte of the policy set, or of the address sets, that it stands in.
 *
 * 32-bit bounds lie in levels of lines of 16, each at a multiple of 64 bytes and filled up with
 * ~0; a level has every 16th bound of the one below it. The level of one line comes first, that
 * of all bounds last. 128-bit ones (IPv6) lie in their order, high half first.
 */
struct interval_index { /* 12 bytes */
	__u32 count;    /* > 0 */
	__u32 bounds;   /* ascending, the first is 0 */
	__u32 rows;     /* __u32[count][width] */
};

/*
 * The rules of one interface's `policies`, in order, and all that is compiled of them; offsets are
 * bytes from its first byte.
 */
struct policy_set {  /* 48 bytes */
	__u32 bytes; /* of it all */
	__u32 rule_count;
	__u32 rule_offset; /* struct policy_rule[] */
	__u32 source_matches; /* __u32[]: the worker's, for the address sets that hold a packet's source */
	__u32 destination_matches;
	__u32 classifiers
		[4]; /* offsets of struct classifier, index: POLICY_CLASSIFIER_* added; 0: no rules */
	__u8 default_ingress; /* enum rule_action: allow, deny or ask */
	__u8 default_egress;
	__u16 reserved0;
	__u32 default_rule; /* id reported when the default decides */
	__u32 reserved;
};

/* Which of a set's classifiers. */
#define POLICY_CLASSIFIER_EGRESS 1
#define POLICY_CLASSIFIER_IPV6   2

/* What comes of a packet that a rule matches. */
struct policy_rule { /* 24 bytes */
	__u8 action; /* enum rule_action */
	__u8 log;    /* 1: report the flows that it decides */
	__u8 mirror; /* index in `mirrors`: copies of the flows that it matches; 0: none */
	__u8 reserved0;
	__u32 id;   /* reported with the flow; > 0 */
	__u64 hits; /* counted by the slow path */
	__u32 reserved[2];
};

/* Which rules match the address of one side. */
struct classifier_side { /* 32 bytes */
	struct interval_index index;
	__u32 allowed; /* __u32[count][width]: rows of the rules that take addresses of their sets there */
	__u32 set_count; /* address sets that rules name on this side; 0: `allowed` is 0 too */
	__u32 sets;      /* struct set_rules[set_count], ascending */
	__u32 reserved[2];
};

/*
 * The rules of a policy set for one direction and family, numbered anew in their order: a packet
 * matches those whose bit is set in the rows of all of its fields.
 */
struct classifier { /* 112 bytes */
	__u32 rule_count;
	__u32 width; /* words of a row */
	__u32 rules; /* struct classifier_rule[rule_count] */
	struct classifier_side source;
	struct classifier_side destination;
	struct interval_index protocol;
	struct interval_index source_port;      /* PORT_FIELD_NONE: there is none */
	struct interval_index destination_port; /* ICMP: PORT_FIELD_ICMP + type << 8 | code */
};

#define PORT_FIELD_ICMP 0x10000
#define PORT_FIELD_NONE 0x20000

struct classifier_rule { /* 8 bytes */
	__u32 rule;      /* offset of struct policy_rule */
	__u32 next;      /* action pass: number of the rule to go on at */
};

/* The rules that name one address set. */
struct set_rules { /* 8 bytes */
	__u32 set; /* number of the set */
	__u32 row; /* offset of __u32[width] */
};

/* Which address sets hold an address: an update of a set rewrites this, and no rule. The host's services beside them. */
struct address_sets { /* 44 bytes */
	__u32 bytes;  /* of it all */
	__u32 set_count;
	__u32 width; /* words of a row */
	struct interval_index ipv4;
	struct interval_index ipv6;
	__u32 service_count;
	__u32 services; /* struct host_service[service_count] */
};

/*
 * A service of the host that workloads ask for by an address of its own: the first packet of a
 * flow to it, once policy has allowed it, has the flow translated.
 */
struct host_service {    /* 48 bytes */
	__u16 interface; /* id of the host's */
	__u16 port;      /* ports in host order */
	__u16 backend_port;
	__u8 protocol;
	__u8 reserved[9];
	__u8 address[16]; /* IPv4: mapped */
	__u8 backend[16];
};

_Static_assert(sizeof(struct host_service) == 48, "host_service");

#endif
