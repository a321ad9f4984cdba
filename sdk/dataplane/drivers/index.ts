// SPDX-License-Identifier: Apache-2.0
/** What drivers can do, what devices lack for their hooks, and how it is mended. */
export { abilitiesOf, type XdpAbilities } from "./abilities.ts";
export { type DeviceFacts, type PeerFacts, readFacts, readPeer } from "./facts.ts";
export { type Fixed, type FixOptions, fixDevices } from "./fix.ts";
export { type DeviceNeed, type DeviceUse, mtuLimit, needsOf, needText } from "./needs.ts";
export { type DeviceReport, type InspectOptions, inspectDevice, reportOf } from "./report.ts";
export { type DeviceAccess, type DeviceSettings, merge, openAccess } from "./settings.ts";
export { findDriver } from "./table.ts";
export { Tuning } from "./tuning.ts";
