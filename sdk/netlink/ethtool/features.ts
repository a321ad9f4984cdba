// SPDX-License-Identifier: Apache-2.0
/** Offload features of a device (`ethtool -k`, `ethtool -K`). */

import { WeirError } from "../../errors.ts";
import { AttributeTable } from "../attribute.ts";
import { GENERIC_HEADER_SIZE, type GenericFamily } from "../generic.ts";
import type { NetlinkMessage } from "../message.ts";
import { readBitset, writeBitset } from "./bitset.ts";
import { writeDeviceHeader } from "./header.ts";

const ETHTOOL_MSG_FEATURES_GET = 11;
const ETHTOOL_MSG_FEATURES_SET = 12;

const ETHTOOL_A_FEATURES_HEADER = 1;
const ETHTOOL_A_FEATURES_HW = 2;
const ETHTOOL_A_FEATURES_WANTED = 3;
const ETHTOOL_A_FEATURES_ACTIVE = 4;
const ETHTOOL_A_FEATURES_NOCHANGE = 5;

/** State of one feature. */
export interface FeatureState {
  /** In effect now. */
  readonly active: boolean;
  /** Asked for; it may be out of effect because another feature that it needs is off. */
  readonly requested: boolean;
  /** Whether it can be changed at all. */
  readonly changeable: boolean;
}

/**
 * Names that stand for several features, or for one whose kernel name differs: the short and the long names
 * that ethtool(8) uses.
 */
export const featureGroups: Readonly<Record<string, readonly string[]>> = withLongNames({
  rx: ["rx-checksum"],
  tx: ["tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6", "tx-checksum-fcoe-crc", "tx-checksum-sctp"],
  sg: ["tx-scatter-gather", "tx-scatter-gather-fraglist"],
  tso: [
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",
    "tx-tcp-accecn-segmentation",
  ],
  gso: ["tx-generic-segmentation"],
  gro: ["rx-gro"],
  lro: ["rx-lro"],
  rxvlan: ["rx-vlan-hw-parse"],
  txvlan: ["tx-vlan-hw-insert"],
  ntuple: ["rx-ntuple-filter"],
  rxhash: ["rx-hashing"],
});

function withLongNames(groups: Record<string, readonly string[]>): Record<string, readonly string[]> {
  const longNames: Readonly<Record<string, string>> = {
    "rx-checksumming": "rx",
    "tx-checksumming": "tx",
    "scatter-gather": "sg",
    "tcp-segmentation-offload": "tso",
    "generic-segmentation-offload": "gso",
    "generic-receive-offload": "gro",
    "large-receive-offload": "lro",
    "rx-vlan-offload": "rxvlan",
    "tx-vlan-offload": "txvlan",
    "ntuple-filters": "ntuple",
    "receive-hashing": "rxhash",
  };
  for (const [long, short] of Object.entries(longNames)) groups[long] = groups[short] ?? [];
  return groups;
}

const attributes = new AttributeTable(ETHTOOL_A_FEATURES_NOCHANGE);

/** All features of a device by their kernel names. */
export function readFeatures(family: GenericFamily, device: string): Map<string, FeatureState> {
  let features = new Map<string, FeatureState>();
  family.request(
    `read the features of "${device}"`,
    ETHTOOL_MSG_FEATURES_GET,
    (writer) => writeDeviceHeader(writer, ETHTOOL_A_FEATURES_HEADER, device),
    (message) => {
      features = decodeFeatures(message);
    },
  );
  return features;
}

function decodeFeatures(message: NetlinkMessage): Map<string, FeatureState> {
  const a = attributes.read(message, message.start + GENERIC_HEADER_SIZE, message.end);
  const set = (type: number) => readBitset(message, a.start(type), a.end(type));
  const changeable = set(ETHTOOL_A_FEATURES_HW);
  const requested = set(ETHTOOL_A_FEATURES_WANTED);
  const active = set(ETHTOOL_A_FEATURES_ACTIVE);
  const fixed = set(ETHTOOL_A_FEATURES_NOCHANGE);
  const features = new Map<string, FeatureState>();
  // "HW" lists every feature that the kernel knows: its mask is full, its value says what can be changed.
  for (const [name, canChange] of changeable) {
    const isActive = active.get(name) === true;
    const isFixed = fixed.get(name) === true;
    features.set(name, {
      active: isActive,
      requested: canChange && !isFixed ? requested.get(name) === true : isActive,
      changeable: canChange && !isFixed,
    });
  }
  return features;
}

/**
 * Changes features. Names are the kernel's or those of {@link featureGroups}; of a group the features that
 * the device cannot change are left out.
 * @returns what was requested before, of the features that this changed: passing it back restores them
 * @throws WeirError `EOPNOTSUPP` if a feature that is named itself cannot be changed to the value
 */
export function changeFeatures(
  family: GenericFamily,
  device: string,
  values: Readonly<Record<string, boolean>>,
): Record<string, boolean> {
  const operation = `change the features of "${device}"`;
  const before = readFeatures(family, device);
  const wanted = new Map<string, boolean>();
  const previous: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(values)) {
    for (const [feature, state] of changesOf(name, value, before, operation)) {
      wanted.set(feature, value);
      if (state.requested !== value) previous[feature] = state.requested;
    }
  }
  if (Object.keys(previous).length === 0) return previous;
  family.request(operation, ETHTOOL_MSG_FEATURES_SET, (writer) => {
    writeDeviceHeader(writer, ETHTOOL_A_FEATURES_HEADER, device);
    writeBitset(writer, ETHTOOL_A_FEATURES_WANTED, wanted);
  });
  return previous;
}

function changesOf(
  name: string,
  value: boolean,
  features: ReadonlyMap<string, FeatureState>,
  operation: string,
): [string, FeatureState][] {
  const members = featureGroups[name];
  if (members === undefined) {
    const state = features.get(name);
    if (state === undefined) throw refusal(operation, name, "the kernel does not know it");
    if (!state.changeable && state.active !== value) throw refusal(operation, name, "the driver has it fixed");
    return state.changeable ? [[name, state]] : [];
  }
  const changes: [string, FeatureState][] = [];
  let reached = false;
  for (const member of members) {
    const state = features.get(member);
    if (state === undefined) continue;
    if (state.changeable) changes.push([member, state]);
    reached ||= state.changeable || state.active === value;
  }
  if (!reached) throw refusal(operation, name, "the driver has all of it fixed");
  return changes;
}

function refusal(operation: string, feature: string, why: string): WeirError {
  return new WeirError({ code: "EOPNOTSUPP", operation, reason: `feature "${feature}": ${why}` });
}
