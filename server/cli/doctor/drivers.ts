// SPDX-License-Identifier: Apache-2.0
/** Drivers that run XDP natively, and what each can do. */

/** A driver's abilities on the XDP hook. */
export interface XdpDriver {
  /** Largest MTU without frags, in bytes. */
  readonly mtu: number;
  /** Takes packets in several buffers (xdp.frags). */
  readonly frags: boolean;
  /** AF_XDP without copies. */
  readonly zeroCopy: boolean;
  /** Has room for metadata in front of the packet (bpf_xdp_adjust_meta). */
  readonly metadata: boolean;
}

/**
 * By the name that `ethtool -i` prints. MTUs are those of x86-64 and arm64 with 4 KiB pages, measured for veth and
 * else from docs.ebpf.io, "Program type BPF_PROG_TYPE_XDP".
 */
const drivers: Readonly<Record<string, XdpDriver>> = {
  veth: { mtu: 3500, frags: true, zeroCopy: false, metadata: true },
  virtio_net: { mtu: 3506, frags: true, zeroCopy: true, metadata: true },
  ena: { mtu: 3498, frags: false, zeroCopy: false, metadata: false },
  bnxt_en: { mtu: 3502, frags: true, zeroCopy: false, metadata: true },
  gve: { mtu: 2032, frags: false, zeroCopy: true, metadata: false },
  hv_netvsc: { mtu: 3506, frags: false, zeroCopy: false, metadata: false },
  i40e: { mtu: 3046, frags: true, zeroCopy: true, metadata: true },
  ice: { mtu: 3046, frags: true, zeroCopy: true, metadata: true },
  igb: { mtu: 3046, frags: false, zeroCopy: true, metadata: true },
  igc: { mtu: 1500, frags: false, zeroCopy: true, metadata: true },
  ixgbe: { mtu: 3050, frags: false, zeroCopy: true, metadata: true },
  mlx4_en: { mtu: 3498, frags: false, zeroCopy: false, metadata: true },
  mlx5_core: { mtu: 3498, frags: true, zeroCopy: true, metadata: true },
  tun: { mtu: 1500, frags: false, zeroCopy: false, metadata: false },
  vmxnet3: { mtu: 3494, frags: false, zeroCopy: false, metadata: false },
};

/** The abilities of a driver; undefined if it is not known to run XDP natively. */
export function findDriver(name: string): XdpDriver | undefined {
  return Object.hasOwn(drivers, name) ? drivers[name] : undefined;
}
