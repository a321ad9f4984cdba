/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Never loaded: compiled only so that every struct and enum that crosses a border is in one
 * object's BTF, from which scripts/layouts.ts generates sdk/layout/generated.ts and
 * wasm/layout.ts. The compiler leaves out of BTF what no variable uses; the generator names
 * a declaration that is missing here.
 */
#include "abi.h"
#include "policy_abi.h"
#include "slowpath_abi.h"

/* config_abi.h */
struct config layout_config;

/* decision_abi.h */
enum decision_operation layout_decision_operation;
enum decision_result layout_decision_result;
struct flow_decision layout_flow_decision;
struct flow_update_args layout_flow_update_args;

/* drop_abi.h */
enum drop_reason layout_drop_reason;
struct drop_counter layout_drop_counter;
enum sample_hook layout_sample_hook;
struct drop_sample layout_drop_sample;
struct drop_sampling layout_drop_sampling;
struct drop_sample_counters layout_drop_sample_counters;

/* flow_abi.h */
struct flow4_key layout_flow4_key;
struct flow6_key layout_flow6_key;
enum flow_action layout_flow_action;
enum flow_state layout_flow_state;
struct flow_entry layout_flow_entry;
struct flow_guard layout_flow_guard;
struct half_open layout_half_open;

/* flow_end_abi.h */
enum flow_end_reason layout_flow_end_reason;
struct flow_end layout_flow_end;
struct flow_end_counters layout_flow_end_counters;

/* flow_slot_abi.h */
enum slot_state layout_slot_state;
struct flow_slot4 layout_flow_slot4;
struct flow_slot6 layout_flow_slot6;
struct flow_slot_pool layout_flow_slot_pool;
struct flow_sweep_args layout_flow_sweep_args;

/* fragment_abi.h */
struct fragment_key layout_fragment_key;
struct fragment_entry layout_fragment_entry;

/* interface_abi.h */
struct device_key layout_device_key;
enum interface_role layout_interface_role;
struct interface layout_interface;
struct interface_address_key layout_interface_address_key;
struct interface_counters layout_interface_counters;

/* miss_ring_abi.h */
struct miss_ring layout_miss_ring;
struct miss_record layout_miss_record;

/* match_abi.h */
struct packet_match layout_packet_match;

/* mirror_abi.h */
struct mirror layout_mirror;
struct mirror_counters layout_mirror_counters;

/* nexthop_abi.h */
enum nexthop_type layout_nexthop_type;
enum encap layout_encap;
struct nexthop layout_nexthop;
struct member layout_member;

/* policy_abi.h */
enum rule_action layout_rule_action;
enum rule_direction layout_rule_direction;
struct policy_root layout_policy_root;
struct interval_index layout_interval_index;
struct policy_set layout_policy_set;
struct flow_review layout_flow_review;
struct policy_rule layout_policy_rule;
struct classifier_side layout_classifier_side;
struct classifier layout_classifier;
struct classifier_rule layout_classifier_rule;
struct set_rules layout_set_rules;
struct address_sets layout_address_sets;
struct host_service layout_host_service;

/* qos_abi.h */
struct class_marks layout_class_marks;
struct qos_map layout_qos_map;
struct policer layout_policer;

/* route_abi.h */
struct route4_key layout_route4_key;
struct route6_key layout_route6_key;
struct route layout_route;
struct fdb_key layout_fdb_key;
struct fdb_entry layout_fdb_entry;

/* slowpath_abi.h */
struct xsk_ring layout_xsk_ring;
enum port_kind layout_port_kind;
struct xsk_port layout_xsk_port;
struct frame_link layout_frame_link;
struct worker_control layout_worker_control;
struct watched_descriptor layout_watched_descriptor;
struct decision_note layout_decision_note;
struct burst_slot layout_burst_slot;
struct pending_packet layout_pending_packet;
struct held_packet layout_held_packet;
struct message_ring layout_message_ring;
enum asking layout_asking;
enum event_kind layout_event_kind;
struct event layout_event;
enum lent layout_lent;
enum command_kind layout_command_kind;
struct command layout_command;

/* trace_abi.h */
enum trace_stage layout_trace_stage;
enum trace_learned layout_trace_learned;
struct trace_log layout_trace_log;
struct trace_record layout_trace_record;
struct trace_frame layout_trace_frame;

/* trap_abi.h */
enum trap_reason layout_trap_reason;
struct trap_meta layout_trap_meta;
enum inject_action layout_inject_action;
struct inject_meta layout_inject_meta;
struct trap_limit layout_trap_limit;

/* tunnel_abi.h */
struct label_entry layout_label_entry;
struct vni_entry layout_vni_entry;
struct underlay_address layout_underlay_address;
struct tunnel_key layout_tunnel_key;
struct tunnel_counters layout_tunnel_counters;

/* vrf_abi.h */
struct vrf layout_vrf;
enum vrf_kind layout_vrf_kind;
struct vrf_counter layout_vrf_counter;
