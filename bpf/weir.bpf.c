/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel programs. One object for every supported kernel: no helper and no map type is
 * used that Linux 6.1 does not have.
 */
#include "flow_sweep.h"
#include "flow_update.h"
#include "inject.h"
#include "receive.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Ingress of a device, XDP hook. */
SEC("xdp")
int weir_xdp(struct xdp_md *xdp)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .linear = 1, .walk = &walk };

	return receive(&p);
}

/* The same for packets larger than a page. */
SEC("xdp.frags")
int weir_xdp_frags(struct xdp_md *xdp)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = &walk };

	return receive(&p);
}

/*
 * Ingress of a device, TC hook; also behind XDP, for what XDP passes or does not see. Egress of
 * the device that the host's own stack sends by.
 */
SEC("tc")
int weir_tc(struct __sk_buff *skb)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = &walk };

	return receive(&p);
}

/* Far end of the trap link. */
SEC("xdp.frags")
int weir_trap_xdp(struct xdp_md *xdp)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = &walk };

	return receive_trapped(&p);
}

/* Node's end of the trap link: XDP, then TC. */
SEC("xdp.frags")
int weir_inject_xdp(struct xdp_md *xdp)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = &walk };

	return receive_injected_xdp(&p);
}

SEC("tc")
int weir_inject_tc(struct __sk_buff *skb)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = &walk };

	return receive_injected_tc(&p);
}

/* The part of weir_inject_tc that copies take: for traces alone, which need no more of it. */
SEC("tc")
int weir_trace_copy(struct __sk_buff *skb)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = &walk };

	return receive_clone(&p);
}

/* Applies decisions[first, first + count). */
SEC("syscall")
int weir_flow_update(struct flow_update_args *args)
{
	return flow_update(args);
}

/* A slice of a round of ageing over one family's flows. */
SEC("syscall")
int weir_flow_sweep(struct flow_sweep_args *args)
{
	return flow_sweep(args);
}
