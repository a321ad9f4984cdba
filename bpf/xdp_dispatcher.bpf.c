/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Several XDP programs on one device, in the way of libxdp (its protocol.org, version 2): each
 * replaces one of the functions here (BPF_PROG_TYPE_EXT), and they run in order for as long as
 * what one returns is among the actions that it lets others go on with. Names and layout are
 * the protocol's; whoever speaks it can add programs to this dispatcher and take them out.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define XDP_DISPATCHER_VERSION 2
/* What a function that nothing replaces returns; each program's actions have it. */
#define XDP_DISPATCHER_RETVAL 31
#define SLOTS                 10

struct xdp_dispatcher_config {
	__u8 magic;
	__u8 dispatcher_version;
	__u8 num_progs_enabled;
	__u8 is_xdp_frags;
	__u32 chain_call_actions[SLOTS];
	__u32 run_prios[SLOTS];
	__u32 program_flags[SLOTS];
};

/* Written before the load: the verifier takes out the calls that are not used. */
const volatile struct xdp_dispatcher_config conf = {};

/*
 * Newer kernels refuse a replacement that changes the packet where the replaced function does
 * not (check_attach_btf_id, "Extension program changes packet data"): hence the call, which
 * changes nothing and is never made.
 */
#define SLOT(n)                                                   \
	__attribute__((noinline)) int prog##n(struct xdp_md *ctx) \
	{                                                         \
		volatile int ret = XDP_DISPATCHER_RETVAL;         \
                                                                  \
		if (!ctx)                                         \
			return XDP_ABORTED;                       \
		bpf_xdp_adjust_tail(ctx, 0);                      \
		return ret;                                       \
	}

SLOT(0)
SLOT(1)
SLOT(2)
SLOT(3)
SLOT(4)
SLOT(5)
SLOT(6)
SLOT(7)
SLOT(8)
SLOT(9)

#define RUN(n)                                           \
	if (conf.num_progs_enabled <= n)                 \
		return XDP_PASS;                         \
	ret = prog##n(ctx);                              \
	if (!((1U << ret) & conf.chain_call_actions[n])) \
	return ret

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	int ret;

	RUN(0);
	RUN(1);
	RUN(2);
	RUN(3);
	RUN(4);
	RUN(5);
	RUN(6);
	RUN(7);
	RUN(8);
	RUN(9);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
/* Only in the object's BTF, where libxdp looks for it. */
__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC("xdp_metadata");
