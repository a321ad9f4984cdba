/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps of flows and of decisions about them; words and sizes as in maps.h. */
#ifndef WEIR_FLOW_MAPS_H
#define WEIR_FLOW_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/*
 * One direction of a flow -> struct flow_entry. Writers: the pipeline (holds, counters, TCP
 * state), update (decisions), sweep (marks and removes). Preallocated, because the SYSCALL
 * programs may sleep and may then use no other hash map (Linux 6.1).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow4_key);
	__type(value, struct flow_entry);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow6_key);
	__type(value, struct flow_entry);
} flows6 SEC(".maps");

/*
 * Interface id -> struct flow_guard. Writer: SDK (rate, burst, limit); pipeline, update and
 * sweep count.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_INTERFACES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_guard);
} flow_guards SEC(".maps");

/* config.half_open_next -> struct half_open: the latest ones, a ring. Writer, reader: pipeline. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct half_open);
} half_open SEC(".maps");

/* Slot -> struct flow_slot4: as many as entries. Writers: pipeline, update, sweep; reader: the SDK too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_slot4);
} flow_slots4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_slot6);
} flow_slots6 SEC(".maps");

/* 0: IPv4, 1: IPv6 -> struct flow_slot_pool. Writers: pipeline, update, sweep. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct flow_slot_pool);
} flow_slot_pools SEC(".maps");

/* Records: struct flow_end. Producers: pipeline, update, sweep; consumer: SDK. 24 966 flows. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4194304);
} flow_ends SEC(".maps");

/* 0 -> struct flow_end_counters. Writers: pipeline, update, sweep; reader: SDK. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_end_counters);
} flow_end_counters SEC(".maps");

/* Worker -> struct miss_ring and its records. Writer: pipeline; reader: slow path. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_MAX_WORKERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size,
	       sizeof(struct miss_ring) + WEIR_MISSES_PER_WORKER * sizeof(struct miss_record));
} miss_rings SEC(".maps");

/* Index -> struct flow_decision. Writer: slow path; update reads it and writes the result. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_DECISIONS_PER_WORKER *WEIR_MAX_WORKERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_decision);
} decisions SEC(".maps");

#endif
