/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One packet, on either hook.
 *
 * `hook` is a constant wherever a struct packet is made, and everything that takes one is
 * inlined: each program contains only its own hook's branch. Packet pointers are taken from
 * the context anew at each access, so that no helper can leave a stale one behind.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "walk.h"

enum hook {
	HOOK_XDP = 1,
	HOOK_TC,
};

struct packet {
	enum hook hook;
	struct xdp_md *xdp;    /* hook XDP */
	int linear;            /* hook XDP: known to be in one buffer */
	struct __sk_buff *skb; /* hook TC */
	struct walk *walk;
};

/*
 * Reads a field of the context. In assembly, because the verifier wants the offset in the
 * load itself, and the compiler may put it into the pointer when two loads meet.
 */
#define CONTEXT_FIELD(context, field)                                                             \
	({                                                                                        \
		__u64 value;                                                                      \
                                                                                                  \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                             \
			     : "=r"(value)                                                        \
			     : "r"(context), "i"(__builtin_offsetof(typeof(*(context)), field))); \
		value;                                                                            \
	})

/* Headers are looked for in the first PACKET_MAX_OFFSET bytes; a bound that the verifier sees. */
#define PACKET_MAX_OFFSET 0x3ff
/* Bytes made linear when a header lies in the fragments of an skb. */
#define PACKET_PULL_BYTES 512

/* `size` bytes at `offset`, or NULL if they are not there (or, on TC, not linear). */
static __always_inline void *packet_at(const struct packet *p, __u32 offset, __u32 size)
{
	__u64 bounded = offset;
	void *data, *end;

	if (p->hook == HOOK_XDP) {
		data = (void *)CONTEXT_FIELD(p->xdp, data);
		end = (void *)CONTEXT_FIELD(p->xdp, data_end);
	} else {
		data = (void *)CONTEXT_FIELD(p->skb, data);
		end = (void *)CONTEXT_FIELD(p->skb, data_end);
	}
	/* In assembly: the compiler may know the bound, the verifier does not believe it. */
	asm volatile("%0 &= %1" : "+r"(bounded) : "i"(PACKET_MAX_OFFSET));
	data += bounded;
	return data + size > end ? NULL : data;
}

/* Metadata of `size` bytes in front of the packet, or NULL if there is less. */
static __always_inline void *packet_metadata(const struct packet *p, __u32 size)
{
	void *meta, *data;

	if (p->hook == HOOK_XDP) {
		meta = (void *)CONTEXT_FIELD(p->xdp, data_meta);
		data = (void *)CONTEXT_FIELD(p->xdp, data);
	} else {
		meta = (void *)CONTEXT_FIELD(p->skb, data_meta);
		data = (void *)CONTEXT_FIELD(p->skb, data);
	}
	return meta + size > data ? NULL : meta;
}

/* Bytes of the whole frame, fragments of it too. */
static __always_inline __u32 packet_length(const struct packet *p)
{
	if (p->hook == HOOK_XDP && p->linear)
		return CONTEXT_FIELD(p->xdp, data_end) - CONTEXT_FIELD(p->xdp, data);
	if (p->hook == HOOK_XDP)
		return bpf_xdp_get_buff_len(p->xdp);
	return CONTEXT_FIELD(p->skb, len);
}

/* Receive queue; XDP only. */
static __always_inline __u32 packet_queue(const struct packet *p)
{
	return CONTEXT_FIELD(p->xdp, rx_queue_index);
}

/* Index of the device that it is on. */
static __always_inline __u32 packet_ifindex(const struct packet *p)
{
	return p->hook == HOOK_XDP ? CONTEXT_FIELD(p->xdp, ingress_ifindex)
				   : CONTEXT_FIELD(p->skb, ifindex);
}

/* The hook's way to let nobody have it; use drop(), which counts. */
static __always_inline int verdict_drop(const struct packet *p)
{
	return p->hook == HOOK_XDP ? XDP_DROP : TC_ACT_SHOT;
}

/*
 * To the host's stack. TC: not TC_ACT_OK, which is the last word on a TCX hook: other programs
 * behind this one, and clsact filters, are to see what is not Weir's.
 */
static __always_inline int verdict_pass(const struct packet *p)
{
	return p->hook == HOOK_XDP ? XDP_PASS : TC_ACT_UNSPEC;
}

static __always_inline struct ethhdr *packet_ethernet(const struct packet *p)
{
	return packet_at(p, 0, sizeof(struct ethhdr));
}

/* MACs as 4 + 2 bytes: frames are aligned to 2 bytes at least. */
static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	return *(const __u16 *)a == *(const __u16 *)b &&
	       *(const __u16 *)(a + 2) == *(const __u16 *)(b + 2) &&
	       *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

static __always_inline int mac_is_zero(const __u8 *a)
{
	return (*(const __u16 *)a | *(const __u16 *)(a + 2) | *(const __u16 *)(a + 4)) == 0;
}

static __always_inline void mac_copy(__u8 *to, const __u8 *from)
{
	*(__u16 *)to = *(const __u16 *)from;
	*(__u16 *)(to + 2) = *(const __u16 *)(from + 2);
	*(__u16 *)(to + 4) = *(const __u16 *)(from + 4);
}

/*
 * As 2-byte words: the compiler would copy byte by byte. A copy on the stack is kept there,
 * instead of in a register, or a spilled one, a word.
 */
static __always_inline void ethernet_copy(struct ethhdr *to, const struct ethhdr *from)
{
	const __u16 *in = (const __u16 *)from;
	__u16 *out = (__u16 *)to;
	__u32 i;

	for (i = 0; i < ETH_HLEN / sizeof(*in); i++)
		out[i] = in[i];
	asm volatile("" ::"r"(to) : "memory");
}

/*
 * A stage that is a function of its own: compiled once a hook and verified once, apart from
 * its callers, with a stack frame of its own. STAGE(name) makes `call_name(p)` from the
 * inline function `name(p)`.
 */
#define STAGE(name)                                                                       \
	__attribute__((noinline)) int name##_xdp(struct xdp_md *xdp, struct walk *walk)   \
	{                                                                                 \
		struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = walk };         \
                                                                                          \
		return walk ? name(&p) : XDP_DROP;                                        \
	}                                                                                 \
	__attribute__((noinline)) int name##_tc(struct __sk_buff *skb, struct walk *walk) \
	{                                                                                 \
		struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = walk };          \
                                                                                          \
		return walk ? name(&p) : TC_ACT_SHOT;                                     \
	}                                                                                 \
	static __always_inline int call_##name(const struct packet *p)                    \
	{                                                                                 \
		return p->hook == HOOK_XDP ? name##_xdp(p->xdp, p->walk)                  \
					   : name##_tc(p->skb, p->walk);                  \
	}

#endif
