// SPDX-License-Identifier: Apache-2.0
/** Names of map, program and attach types, as bpftool and libbpf print them (linux/bpf.h). */

/** Map types; the index is `BPF_MAP_TYPE_*`. */
export const mapTypes = [
  "unspec",
  "hash",
  "array",
  "prog_array",
  "perf_event_array",
  "percpu_hash",
  "percpu_array",
  "stack_trace",
  "cgroup_array",
  "lru_hash",
  "lru_percpu_hash",
  "lpm_trie",
  "array_of_maps",
  "hash_of_maps",
  "devmap",
  "sockmap",
  "cpumap",
  "xskmap",
  "sockhash",
  "cgroup_storage",
  "reuseport_sockarray",
  "percpu_cgroup_storage",
  "queue",
  "stack",
  "sk_storage",
  "devmap_hash",
  "struct_ops",
  "ringbuf",
  "inode_storage",
  "task_storage",
  "bloom_filter",
  "user_ringbuf",
  "cgrp_storage",
  "arena",
] as const;

/** A map type. */
export type MapType = (typeof mapTypes)[number];

/** Program types; the index is `BPF_PROG_TYPE_*`. */
export const programTypes = [
  "unspec",
  "socket_filter",
  "kprobe",
  "sched_cls",
  "sched_act",
  "tracepoint",
  "xdp",
  "perf_event",
  "cgroup_skb",
  "cgroup_sock",
  "lwt_in",
  "lwt_out",
  "lwt_xmit",
  "sock_ops",
  "sk_skb",
  "cgroup_device",
  "sk_msg",
  "raw_tracepoint",
  "cgroup_sock_addr",
  "lwt_seg6local",
  "lirc_mode2",
  "sk_reuseport",
  "flow_dissector",
  "cgroup_sysctl",
  "raw_tracepoint_writable",
  "cgroup_sockopt",
  "tracing",
  "struct_ops",
  "ext",
  "lsm",
  "sk_lookup",
  "syscall",
  "netfilter",
] as const;

/** A program type. */
export type ProgramType = (typeof programTypes)[number];

/** `enum bpf_attach_type`, those that are used here. */
export const BPF_XDP = 37;
export const BPF_SK_LOOKUP = 36;
export const BPF_TCX_INGRESS = 46;
export const BPF_TCX_EGRESS = 47;
export const BPF_NETKIT_PRIMARY = 54;
export const BPF_NETKIT_PEER = 55;

/** Map creation flags (linux/bpf.h). */
export const BPF_F_NO_PREALLOC = 1;
export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_MMAPABLE = 1 << 10;

/** Name of a map type number. */
export function mapTypeName(type: number): MapType {
  return mapTypes[type] ?? "unspec";
}

/** Name of a program type number. */
export function programTypeName(type: number): ProgramType {
  return programTypes[type] ?? "unspec";
}
