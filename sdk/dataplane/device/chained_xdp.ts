// SPDX-License-Identifier: Apache-2.0
/** Weir's XDP program as one of several on a device, behind libxdp's dispatcher (`xdpChain` of the state). */
import { attachXdpChain, type Link, Program, XdpChainLink } from "../../libbpf/index.ts";
import type { Pipeline, ProgramName } from "../instance/loader.ts";
import type { Undo } from "../state/undo.ts";
import type { Device } from "./devices.ts";

/** libxdp's own (`XDP_DEFAULT_RUN_PRIO`). */
export const DEFAULT_CHAIN_PRIORITY = 50;

/** What Weir leaves to the host's stack goes on to the programs behind it; all else it has decided. */
const PASS = 1 << 2;

/** Where Weir's program is to be in the chain of a device. */
export interface Place {
  readonly device: Device;
  readonly priority: number;
}

const settings = (name: ProgramName, priority: number) => ({
  priority,
  actions: PASS,
  frags: name === "weir_xdp_frags",
});

/** Whether a link's program is one of several, or may be. */
export const isChained = (link: Link): boolean => link instanceof XdpChainLink;

/** Puts a program into the chain of a device. */
export function attachChained(pipeline: Pipeline, name: ProgramName, { device, priority }: Place): Link {
  return attachXdpChain({
    program: pipeline.extension(name),
    ifindex: device.ifindex,
    device: device.name,
    ...settings(name, priority),
  });
}

/**
 * Keeps a link if it is in the device's chain, and gives it this process's program and the place that is asked for, in one
 * step.
 * @param name of the program that it runs afterwards.
 * @param isOurs this process attached it.
 * @returns false where it is no such link, or in no chain any more.
 */
export function keepChained(
  pipeline: Pipeline,
  link: Link,
  name: ProgramName,
  { priority }: Place,
  isOurs: boolean,
  undo: Undo,
): boolean {
  const entry = link instanceof XdpChainLink ? link.entry() : undefined;
  if (!(link instanceof XdpChainLink) || entry === undefined) return false;
  const program = pipeline.extension(name);
  if (entry.programId === program.id && entry.priority === priority) return true;
  link.place({ program, ...settings(name, priority) });
  if (!isOurs) return true;
  undo.push(() => {
    using before = Program.fromId(entry.programId);
    link.place({ ...entry, program: before });
  });
  return true;
}
