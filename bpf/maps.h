/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * All maps, those of flows in flow_maps.h. The SDK sets max_entries of the tables (routes4/6, fdb,
 * nexthops, members, labels, vnis, tunnels, vrfs, flows4/6, flow_slots4/6, half_open,
 * tunnel_counters, vrf_counters) before load.
 *
 * "pipeline" below stands for the XDP and TC programs, "sweep" and "update" for the SYSCALL
 * programs weir_flow_sweep and weir_flow_update.
 */
#ifndef WEIR_MAPS_H
#define WEIR_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"
#include "flow_maps.h"

/* 0 -> struct config. Writer: SDK; the pipeline and update count `generation` up. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

/* Interface id -> struct interface. Writer: SDK; the pipeline writes a learned MAC. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct interface);
} interfaces SEC(".maps");

/* Next hop id -> struct nexthop. Writer: SDK; the pipeline writes a learned MAC. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nexthop);
} nexthops SEC(".maps");

/* Device and VLAN -> interface id. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * WEIR_MAX_INTERFACES);
	__type(key, struct device_key);
	__type(value, __u32);
} devices SEC(".maps");

/*
 * A hash of device and VLAN -> interface id, perhaps: what `devices` said of the last packet
 * with that hash. The interface itself tells whether it is the one. Writer and reader: pipeline.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_DEVICE_HINTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} device_hints SEC(".maps");

/* Interface and address -> ADDRESS_*. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16 * WEIR_MAX_INTERFACES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct interface_address_key);
	__type(value, __u32);
} interface_addresses SEC(".maps");

/*
 * Interface and address, or MAC behind zeros -> second (CLOCK_MONOTONIC) in which the controller
 * was told of it: traps ip-learn and mac-learn. Writer and reader: pipeline.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct interface_address_key);
	__type(value, __u32);
} told_addresses SEC(".maps");

/* interface.qos_map -> struct qos_map. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_QOS_MAPS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct qos_map);
} qos_maps SEC(".maps");

/*
 * Interface id * POLICE_DIRECTIONS + POLICE_* -> struct policer. Writer: SDK (rate, burst);
 * the pipeline keeps the time and counts.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES *POLICE_DIRECTIONS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct policer);
} policers SEC(".maps");

/* VRF and prefix -> struct route. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route4_key);
	__type(value, struct route);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route6_key);
	__type(value, struct route);
} routes6 SEC(".maps");

/* VRF and MAC -> struct fdb_entry. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct fdb_key);
	__type(value, struct fdb_entry);
} fdb SEC(".maps");

/* Index -> struct member: buckets of ecmp next hops, members of floods. Writer: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct member);
} members SEC(".maps");

/* MPLS label from WEIR_LOW_NUMBERS on -> struct label_entry. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct label_entry);
} labels SEC(".maps");

/* Lower labels -> struct label_entry; next hop 0: none. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_LOW_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct label_entry);
} low_labels SEC(".maps");

/* VNI from WEIR_LOW_NUMBERS on -> struct vni_entry. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct vni_entry);
} vnis SEC(".maps");

/* Lower VNIs -> struct vni_entry; VRF 0: none. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_LOW_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vni_entry);
} low_vnis SEC(".maps");

/* The node's own addresses that tunnels end at -> not 0. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct underlay_address);
	__type(value, __u32);
} underlay_addresses SEC(".maps");

/* Remote address and encapsulation -> id of the tunnel next hop. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tunnel_key);
	__type(value, __u32);
} tunnels SEC(".maps");

/*
 * A hash of remote address and encapsulation -> id of the tunnel next hop, perhaps: what
 * `tunnels` said of the last packet with that hash. The next hop itself tells whether it is
 * the one. Writer and reader: pipeline.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_TUNNEL_HINTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} tunnel_hints SEC(".maps");

/* VRF id -> struct vrf. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vrf);
} vrfs SEC(".maps");

/* Index -> struct mirror; 0 is never used. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_MIRRORS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mirror);
} mirrors SEC(".maps");

/* Index in `mirrors` -> struct mirror_counters. Writer: pipeline; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_MIRRORS);
	__type(key, __u32);
	__type(value, struct mirror_counters);
} mirror_counters SEC(".maps");

/* Datagram -> ports that its first fragment had. Writer and reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, struct fragment_entry);
} fragments SEC(".maps");

/*
 * Interface id -> ifindex to send to on the XDP hook. Writer: SDK. No DEVMAP: that would
 * refuse to serve programs with and without frags at once.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} tx_ports SEC(".maps");

/*
 * Socket of a worker. 0 to WEIR_MAX_WORKERS - 1: the queues of the trap link's far end;
 * interface.xsk_base + queue: an interface's own. Writer: SDK; the kernel removes a socket
 * that is closed, so that an empty element means that nobody listens.
 */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} xsks SEC(".maps");

/* Interface id -> struct interface_counters. Writer: pipeline; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct interface_counters);
} interface_counters SEC(".maps");

/*
 * Interface id -> a struct drop_counter for each reason; interface 0: unknown. One element for
 * all of them: the kernel allocates the elements one by one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct drop_counter[WEIR_MAX_REASONS]);
} drop_counters SEC(".maps");

/* Records: struct drop_sample. Producer: pipeline; consumer: SDK. 1260 samples. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} drop_samples SEC(".maps");

/* 0 -> struct drop_sampling. Writer and reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drop_sampling);
} drop_sampling SEC(".maps");

/* 0 -> struct drop_sample_counters. Writer: pipeline; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drop_sample_counters);
} drop_sample_counters SEC(".maps");

/* Interface id -> struct trap_limit: rate limit of traps that anybody can cause. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct trap_limit);
} trap_limits SEC(".maps");

/* Index -> struct packet_match; 0: their number. Writer: SDK; reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_MATCHES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct packet_match);
} packet_matches SEC(".maps");

/* packet_match.limit -> struct trap_limit. Writer and reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_MATCHES);
	__type(key, __u32);
	__type(value, struct trap_limit);
} match_limits SEC(".maps");

/* nexthop.counter, its id -> struct tunnel_counters; 0 is never used. Writer: pipeline; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct tunnel_counters);
} tunnel_counters SEC(".maps");

/* VRF id -> a struct vrf_counter for each enum vrf_kind. Writer: pipeline; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct vrf_counter[WEIR_MAX_KINDS]);
} vrf_counters SEC(".maps");

/*
 * Keeps the compiler from making one call instruction for two maps of two, which the kernel
 * could then not replace by the map's own lookup.
 */
#define NOT_MERGED(pointer, which) asm volatile("" : "+r"(pointer) : "i"(which))

/* Element 0 of `config`; the verifier wants the impossible miss handled. */
static __always_inline struct config *the_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

#endif
