/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Applies decisions of the slow path and of the controller: a whole batch in one call.
 *
 * A decision names the generation of the entry that it is about, so that one that comes too
 * late changes nothing. The reverse entry is written first: the answer to the first packet
 * that the forward entry lets through finds it.
 */
#ifndef WEIR_FLOW_UPDATE_H
#define WEIR_FLOW_UPDATE_H

#include "flow_decision.h"

/* Whether the entry in place is the one that the decision is about; PENDING: go on. */
static __always_inline __u8 decision_check(struct flow_decision *d, const struct flow_entry *old)
{
	if (!old)
		return d->generation ? DECISION_MISSING : DECISION_PENDING;
	d->new_generation = old->generation;
	if (!d->generation)
		return DECISION_EXISTS;
	return old->generation == d->generation ? DECISION_PENDING : DECISION_STALE;
}

/*
 * Policy has changed since the decision was made. Who changes it sets config.revision first,
 * and then deletes the flows that the change concerns: a decision of the policy before that
 * comes after would stay.
 */
static __always_inline int is_outdated(const struct flow_decision *d, const struct config *c)
{
	return (__s32)(d->revision - *(volatile __u32 *)&c->revision) < 0;
}

/* Whether the reverse direction would take the place of another pair's entry. */
static __always_inline int is_in_the_way(const struct flow_decision *d,
					 const struct flow_entry *other)
{
	if (!other || other->action == FLOW_HOLD)
		return 0;
	/* Two flows may not become one; without a translation it is the same connection. */
	if (d->action == FLOW_NAT)
		return !d->generation || other->generation != d->generation;
	return !d->generation && !(other->flags & FLOW_FLAG_SINGLE);
}

/*
 * What `old` translates to, or its packets were answered in before, is of no use any more: the flow
 * ends where it goes elsewhere from now on. 1: it has.
 */
static __always_inline int remove_old_partner(const struct flow_decision *d, __u8 family,
					      const union flow_key *key,
					      const struct flow_entry *old)
{
	union flow_key partner;
	struct flow_entry *other;

	if (!old || old->action == FLOW_HOLD)
		return 0;
	/* Its key is that of the new one. */
	if (old->action != FLOW_NAT && d->action != FLOW_NAT && !(d->flags & FLOW_FLAG_SINGLE) &&
	    old->reverse_vrf == d->reverse_vrf)
		return 0;
	flow_key_partner(family, key, old, &partner);
	other = partner_of(family, old, &partner);
	if (!other || other == old || !flow_claim(family, &partner, other))
		return 0;
	flow_end_tell(key, old, other, FLOW_END(family, FLOW_END_REPLACED), 0);
	flow_remove_claimed(family, &partner, other);
	return 1;
}

/*
 * Writes the reverse direction's entry; DECISION_OK: it is in place. The flow of an entry that gives
 * way to it goes on in the new pair, or ends. `entry` is the forward direction's; meanwhile it is turned,
 * for there is no room for two on the stack.
 */
static __always_inline __u8 decision_set_reverse(const struct flow_decision *d, __u8 family,
						 const union flow_key *reverse,
						 struct flow_entry *old, struct flow_entry *entry)
{
	__u32 generation = entry->generation, own_slot = entry->slot;
	__u32 owner = old ? old->owner : 0;
	__u32 slot = old ? old->slot : SLOT_NONE;
	__u16 own_owner = entry->owner;

	if (is_in_the_way(d, old))
		return DECISION_EXISTS;
	if (old && !flow_claim(family, reverse, old))
		return DECISION_STALE;
	entry_turn(d, entry);
	entry->slot = SLOT_NONE;
	entry_inherit(entry, old, 0);
	switch (flow_put(family, reverse, entry, old ? BPF_ANY : BPF_NOEXIST)) {
	case 0:
		break;
	case -E_EXIST:
		return DECISION_STALE;
	default:
		if (old)
			flow_unclaim(old);
		return DECISION_FULL;
	}
	if (slot)
		slot_free(family, slot);
	entry_from_decision(d, entry);
	entry->generation = generation;
	entry->slot = own_slot;
	entry->owner = own_owner ? own_owner : owner;
	if (own_owner)
		flow_uncount(owner);
	return DECISION_OK;
}

/*
 * The entry that was claimed to be replaced stays. A hold for which the table has no room goes, where
 * the flow's packets are to be decided one by one then: it would let none of them through.
 */
static __always_inline __u8 decision_fail(__u8 family, const union flow_key *key,
					  struct flow_entry *old, __u8 result)
{
	struct interface *i;

	if (!old)
		return result;
	i = interface_get(old->owner);
	if (result == DECISION_FULL && old->action == FLOW_HOLD && i &&
	    (i->flags & INTERFACE_FULL_FORWARD))
		flow_remove_claimed(family, key, old);
	else
		flow_unclaim(old);
	return result;
}

/* Puts the pair in place of `old`, which has been claimed. */
static __always_inline __u8 decision_write(struct flow_decision *d, struct config *c, __u8 family,
					   const union flow_key *key, struct flow_entry *old)
{
	struct flow_entry *old_reverse;
	struct flow_entry entry;
	__u32 taken = SLOT_NONE;
	union flow_key reverse;
	__u8 result;
	long error;

	decision_complete(d, old);
	entry_from_decision(d, &entry);
	flow_key_partner(family, key, &entry, &reverse);
	old_reverse = flow_find(family, &reverse);
	/* From and to the same address and port: it is its own reverse. */
	if (old && old_reverse == old) {
		d->flags |= FLOW_FLAG_SINGLE;
		entry.flags |= FLOW_FLAG_SINGLE;
	}
	entry.generation = next_generation(c);
	entry.owner = old ? old->owner : 0;
	entry.slot = old ? old->slot : SLOT_NONE;
	if (!entry.slot)
		entry.slot = taken = slot_take(family, key);
	if (!entry.slot)
		return decision_fail(family, key, old, DECISION_FULL);
	if (!(d->flags & FLOW_FLAG_SINGLE)) {
		result = decision_set_reverse(d, family, &reverse, old_reverse, &entry);
		if (result != DECISION_OK) {
			slot_return(family, taken);
			return decision_fail(family, key, old, result);
		}
	}
	entry_inherit(&entry, old, remove_old_partner(d, family, key, old));
	error = flow_put(family, key, &entry, old ? BPF_ANY : BPF_NOEXIST);
	if (error) {
		slot_return(family, taken);
		if (!(d->flags & FLOW_FLAG_SINGLE))
			flow_remove_generation(family, &reverse, entry.generation);
		/* The flow that gave way to the reverse direction's entry. */
		if (!old || !old->owner)
			flow_uncount(entry.owner);
		return decision_fail(family, key, old,
				     error == -E_EXIST ? DECISION_EXISTS : DECISION_FULL);
	}
	slot_use(family, entry.slot, slot_state_of(&entry));
	/* Changed just now: whoever deletes the flows may be past this one. */
	if (is_outdated(d, c)) {
		flow_remove_generation(family, key, entry.generation);
		if (!(d->flags & FLOW_FLAG_SINGLE))
			flow_remove_generation(family, &reverse, entry.generation);
		return DECISION_STALE;
	}
	d->new_generation = entry.generation;
	return DECISION_OK;
}

static __always_inline __u8 decision_set(struct flow_decision *d, struct config *c)
{
	__u8 family = d->family == 4 ? 4 : 6;
	struct flow_entry *old;
	union flow_key key;
	__u8 result;

	decision_key(d, &key);
	old = flow_find(family, &key);
	result = decision_check(d, old);
	if (result != DECISION_PENDING)
		return result;
	if (is_outdated(d, c))
		return DECISION_STALE;
	if (old && !flow_claim(family, &key, old))
		return DECISION_STALE;
	/* Not the one that was looked at. */
	if (old && old->generation != d->generation)
		return decision_fail(family, &key, old, DECISION_STALE);
	return decision_write(d, c, family, &key, old);
}

/* Counts the entries that it removes in `removed`. */
static __always_inline __u8 decision_delete(struct flow_decision *d, __u32 *removed)
{
	__u8 family = d->family == 4 ? 4 : 6;
	struct flow_entry *old, *other;
	union flow_key key, reverse;
	int count;

	decision_key(d, &key);
	old = flow_find(family, &key);
	if (!old)
		return DECISION_MISSING;
	if (d->generation && old->generation != d->generation) {
		d->new_generation = old->generation;
		return DECISION_STALE;
	}
	flow_key_partner(family, &key, old, &reverse);
	other = partner_of(family, old, &reverse);
	count = flow_remove_pair(family, &key, old, &reverse, other, d->end_reason);
	*removed += count;
	return count ? DECISION_OK : DECISION_STALE;
}

/* 0: it is about to be replaced, and its successor may not know. */
static __always_inline int entry_reroute(const struct flow_decision *d, struct flow_entry *flow)
{
	if (flow->ingress == d->ingress)
		flow->ingress = 0;
	if (!(flow->flags & FLOW_FLAG_CHOSEN))
		*(volatile __u32 *)&flow->reroute = d->revision;
	/* Policy may have to be asked once more. */
	return !(__sync_fetch_and_and(&flow->trapped, FLOW_CLAIMED) & FLOW_CLAIMED);
}

static __always_inline __u8 decision_reroute(struct flow_decision *d)
{
	__u8 family = d->family == 4 ? 4 : 6;
	struct flow_entry *old, *other;
	union flow_key key, reverse;
	int done;

	decision_key(d, &key);
	old = flow_find(family, &key);
	if (!old)
		return DECISION_MISSING;
	d->new_generation = old->generation;
	if (old->generation != d->generation ||
	    (old->action != FLOW_FORWARD && old->action != FLOW_NAT))
		return DECISION_STALE;
	flow_key_partner(family, &key, old, &reverse);
	other = partner_of(family, old, &reverse);
	done = entry_reroute(d, old);
	if (other)
		done &= entry_reroute(d, other);
	return done ? DECISION_OK : DECISION_STALE;
}

/* Writes what the entry is into the record, which is about that generation then. */
static __always_inline __u8 decision_read(struct flow_decision *d)
{
	struct flow_entry *flow;
	union flow_key key;

	decision_key(d, &key);
	flow = flow_find(d->family == 4 ? 4 : 6, &key);
	if (!flow)
		return DECISION_MISSING;
	d->generation = flow->generation;
	d->new_generation = flow->generation;
	d->action = flow->action;
	d->flags = flow->flags;
	d->mirror = flow->mirror;
	d->rule = flow->rule;
	d->ingress = flow->ingress;
	d->nexthop = flow->nexthop;
	return DECISION_OK;
}

static __always_inline __u8 decision_read_pair(struct flow_decision *d)
{
	__u8 family = d->family == 4 ? 4 : 6;
	struct flow_entry *flow, *other;
	union flow_key key, reverse;
	__u8 result = decision_read(d);

	if (result != DECISION_OK)
		return result;
	decision_key(d, &key);
	flow = flow_find(family, &key);
	if (!flow)
		return DECISION_MISSING;
	flow_key_partner(family, &key, flow, &reverse);
	other = partner_of(family, flow, &reverse);
	d->reverse_ingress = other ? other->ingress : 0;
	d->reverse_nexthop = other ? other->nexthop : 0;
	d->reverse_mirror = other ? other->mirror : 0;
	if (other && (other->flags & FLOW_FLAG_CHOSEN))
		d->flags |= FLOW_FLAG_CHOSEN_BACK;
	return DECISION_OK;
}

static long apply_decision(__u32 index, struct flow_update_args *args)
{
	__u32 at = args->first + index;
	struct flow_decision *d = bpf_map_lookup_elem(&decisions, &at);
	struct config *c = the_config();

	if (!d || !c)
		return 1;
	d->new_generation = 0;
	if (d->operation == DECISION_SET)
		d->result = decision_set(d, c);
	else if (d->operation == DECISION_DELETE)
		d->result = decision_delete(d, &args->removed);
	else
		return 0;
	args->applied++;
	return 0;
}

static long apply_other(__u32 index, struct flow_update_args *args)
{
	__u32 at = args->first + index;
	struct flow_decision *d = bpf_map_lookup_elem(&decisions, &at);

	if (!d)
		return 1;
	if (d->operation == DECISION_REROUTE)
		d->result = decision_reroute(d);
	else if (d->operation == DECISION_READ)
		d->result = decision_read(d);
	else if (d->operation == DECISION_READ_PAIR)
		d->result = decision_read_pair(d);
	else
		return 0;
	args->applied++;
	return 0;
}

static __always_inline int flow_update(struct flow_update_args *args)
{
	struct flow_update_args copy = *args;

	copy.applied = 0;
	copy.removed = 0;
	/* Not in one function: the other has no room for more keys on its stack. */
	if (copy.others)
		bpf_loop(copy.count, apply_other, &copy, 0);
	else
		bpf_loop(copy.count, apply_decision, &copy, 0);
	args->applied = copy.applied;
	args->removed = copy.removed;
	return 0;
}

#endif
