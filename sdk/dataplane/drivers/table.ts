// SPDX-License-Identifier: Apache-2.0
/**
 * What network drivers can do on the XDP hook, where the kernel does not tell it: before Linux 6.3 nothing of it, and
 * MTU limits, metadata and rules about queues never.
 *
 * Sources, by driver: Linux v6.1 and v6.12, drivers/net, the functions named beside each entry. MTUs are those for
 * pages of 4 KiB (x86-64; arm64 with 4 KiB pages); those of veth, virtio_net and vmxnet3 are measured (tests/kernel,
 * tests/vm).
 */

/** What a driver asks of its queues before it takes a native XDP program, or to be fast with one. */
export type QueueRule =
  /** Sends with XDP on queues of its own, as many as are in use: at most half of them may be. */
  | "half"
  /** The same, and it wants as many to receive as to transmit. */
  | "half-and-equal"
  /** Adds a pair of queues for each CPU, and receives on these too; without room for them transmitting takes locks. */
  | "pair-per-cpu"
  /** Each of them both receives and transmits. */
  | "combined"
  /** Has at least as many to receive as the other end has to transmit. */
  | "peer";

/** A driver's abilities on the XDP hook. */
export interface Driver {
  /** First kernel whose driver runs XDP natively and redirects from it. */
  readonly native: readonly [major: number, minor: number];
  /** First kernel whose driver takes packets in several buffers (xdp.frags); absent: none. */
  readonly frags?: readonly [major: number, minor: number];
  /** First kernel whose driver has AF_XDP without copies; absent: none. */
  readonly zeroCopy?: readonly [major: number, minor: number];
  /** Largest MTU with packets in one buffer, in bytes; absent: not known. */
  readonly mtu?: number;
  /** Has room for metadata in front of the packet (bpf_xdp_adjust_meta). Without it its traps take the trap link. */
  readonly metadata: boolean;
  /** Default: none. */
  readonly queues?: QueueRule;
  /**
   * Refuses XDP while large receive offload is on (`rx-lro`, `rx-gro-hw`), or turns it off and never on again; the
   * others turn it off for as long as there is a program.
   */
  readonly refusesLro?: boolean;
}

/** By the name that `ethtool -i` prints. */
const drivers: Readonly<Record<string, Driver>> = {
  // ena_xdp_allowed, ENA_XDP_MAX_MTU, ena_xdp_legal_queue_count; rx_headroom without xdp->data_meta
  ena: { native: [5, 6], mtu: 3498, metadata: false, queues: "half" },
  // bnxt_xdp_set, BNXT_MAX_PAGE_MODE_MTU
  bnxt_en: { native: [4, 11], frags: [5, 19], mtu: 3502, metadata: true, queues: "combined" },
  // dpaa2_eth_setup_xdp
  "dpaa2-eth": { native: [5, 0], zeroCopy: [6, 2], metadata: true },
  // enetc_setup_xdp_prog
  enetc: { native: [5, 13], frags: [5, 18], metadata: false },
  // verify_xdp_configuration
  gve: { native: [6, 4], zeroCopy: [6, 4], mtu: 2032, metadata: false, queues: "half-and-equal", refusesLro: true },
  // netvsc_xdp_set, netvsc_run_xdp
  hv_netvsc: { native: [5, 6], mtu: 3506, metadata: false, refusesLro: true },
  // i40e_xdp_setup, i40e_max_vsi_frame_size
  i40e: { native: [4, 13], frags: [6, 4], zeroCopy: [4, 20], mtu: 3046, metadata: true },
  // ice_xdp_setup_prog, ice_max_xdp_frame_size
  ice: { native: [5, 5], frags: [6, 3], zeroCopy: [5, 5], mtu: 3046, metadata: true },
  // igb_xdp_setup
  igb: { native: [5, 10], zeroCopy: [6, 14], mtu: 3046, metadata: true },
  // igc_xdp_set_prog
  igc: { native: [5, 13], zeroCopy: [5, 14], mtu: 1500, metadata: true },
  // ixgbe_xdp_setup, ixgbe_max_xdp_frame_size
  ixgbe: { native: [4, 12], zeroCopy: [4, 20], mtu: 3050, metadata: true, refusesLro: true },
  // ixgbevf_xdp_setup
  ixgbevf: { native: [4, 17], mtu: 3050, metadata: true },
  // mana_xdp_set
  mana: { native: [5, 17], mtu: 3506, metadata: false },
  // mlx4_xdp_set
  mlx4_en: { native: [4, 8], mtu: 3498, metadata: false },
  // mlx5e_xdp_allowed, mlx5e_xdp_max_mtu
  mlx5_core: { native: [4, 8], frags: [5, 18], zeroCopy: [5, 3], mtu: 3498, metadata: true, refusesLro: true },
  // mvneta_xdp_setup
  mvneta: { native: [5, 5], frags: [5, 18], metadata: false },
  // mvpp2_xdp_setup
  mvpp2: { native: [5, 9], metadata: false },
  // nfp_net_xdp_setup_drv
  nfp: { native: [4, 10], zeroCopy: [5, 18], metadata: true },
  // qede_xdp_set
  qede: { native: [4, 10], metadata: false },
  // efx_xdp_setup_prog
  sfc: { native: [5, 5], metadata: false },
  // stmmac_xdp_set_prog
  stmmac: { native: [5, 13], zeroCopy: [5, 13], mtu: 1500, metadata: true },
  // tsnep_netdev_bpf
  tsnep: { native: [6, 3], zeroCopy: [6, 4], metadata: true },
  // tun_xdp, tun_build_skb: xdp_buff without metadata
  tun: { native: [4, 15], mtu: 1500, metadata: false },
  // veth_xdp_set
  veth: { native: [4, 19], frags: [5, 18], mtu: 3506, metadata: true, queues: "peer" },
  // virtnet_xdp_set
  virtio_net: { native: [4, 10], frags: [6, 3], mtu: 3506, metadata: true, queues: "pair-per-cpu" },
  // vmxnet3_xdp_set, VMXNET3_XDP_MAX_MTU
  vmxnet3: { native: [6, 6], mtu: 3494, metadata: false, refusesLro: true },
};

/** What is known of a driver; undefined: nothing. */
export function findDriver(name: string): Driver | undefined {
  return Object.hasOwn(drivers, name) ? drivers[name] : undefined;
}

/** Names of the drivers that something is known of. */
export const driverNames: readonly string[] = Object.keys(drivers);
