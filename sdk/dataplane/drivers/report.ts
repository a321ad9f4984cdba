// SPDX-License-Identifier: Apache-2.0
/** A device as people look at it: what it is, what it can do, and what it lacks for its use. */
import { WeirError } from "../../errors.ts";
import { namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import { abilitiesOf, type XdpAbilities } from "./abilities.ts";
import { type DeviceFacts, readFacts } from "./facts.ts";
import { type DeviceNeed, type DeviceUse, needsOf } from "./needs.ts";
import { openAccess } from "./settings.ts";

/** A device, for the hook that it would have. */
export interface DeviceReport {
  readonly facts: DeviceFacts;
  /** What it can do on the XDP hook. */
  readonly xdp: XdpAbilities;
  /** The hook that was asked for; for `auto` the one that suits it. */
  readonly hook: "tc" | "xdp";
  readonly needs: readonly DeviceNeed[];
}

/** Options of {@link inspectDevice}. */
export interface InspectOptions {
  /** Hook that it is to be looked at for. Default `auto`. */
  readonly hook?: "auto" | "tc" | "xdp" | undefined;
  /** Network namespace of the device, by name or path. Default: the process's own. */
  readonly netns?: string | undefined;
}

/** The hook for `auto`: TC keeps segmentation offload on veths; XDP is faster on hardware that has it. */
export function automaticHookOf(facts: Pick<DeviceFacts, "link">, xdp: Pick<XdpAbilities, "native">): "tc" | "xdp" {
  return facts.link.kind === undefined && !facts.link.loopback && xdp.native ? "xdp" : "tc";
}

/** What facts mean for a use. */
export function reportOf(
  facts: DeviceFacts,
  hook: InspectOptions["hook"] = "auto",
  use?: Partial<DeviceUse>,
): DeviceReport {
  const xdp = abilitiesOf(facts.driver, facts.xdp, facts.kernel);
  const chosen = hook === "auto" ? automaticHookOf(facts, xdp) : hook;
  return { facts, xdp, hook: chosen, needs: needsOf(facts, { ...use, hook: chosen }) };
}

/**
 * Looks at a device; nothing is changed.
 * @throws WeirError `ENODEV` if there is none of the name.
 */
export function inspectDevice(name: string, o: InspectOptions = {}): DeviceReport {
  return withNetns(namespacePath(o.netns), () => {
    using access = openAccess();
    const facts = readFacts(access, name);
    if (facts !== undefined) return reportOf(facts, o.hook);
    throw new WeirError({
      code: "ENODEV",
      operation: `inspect device "${name}"`,
      reason: "no such device",
      hint: "ip link shows the devices of this namespace",
    });
  });
}
