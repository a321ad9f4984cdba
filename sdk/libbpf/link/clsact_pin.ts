// SPDX-License-Identifier: Apache-2.0
/**
 * Pins of clsact filters. Only the program can be pinned; where its filter is stands in the pin's name:
 * `PATH+IFINDEX+DIRECTION+PRIORITY+HANDLE+OWNER`. A filter is taken for ours if it is at that place and its
 * program has the pinned one's tag or name: after a crash within an update it may be newer than the pin.
 */

import { readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { WeirError } from "../../errors.ts";
import { pinObject, unpinObject } from "../pin.ts";
import { Program } from "../program.ts";
import type { Direction } from "./link.ts";

/** Where a filter is. */
export interface ClsactPlace {
  readonly ifindex: number;
  readonly direction: Direction;
  readonly priority: number;
  readonly handle: number;
  /** The qdisc was made for this filter. */
  readonly ownsQdisc: boolean;
}

function encode(path: string, place: ClsactPlace): string {
  const owner = place.ownsQdisc ? "own" : "shared";
  return [path, place.ifindex, place.direction, place.priority, place.handle, owner].join("+");
}

function decode(name: string): ClsactPlace | undefined {
  const match = /\+(\d+)\+(ingress|egress)\+(\d+)\+(\d+)\+(own|shared)$/.exec(name);
  if (match === null) return undefined;
  const [, ifindex, direction, priority, handle, owner] = match;
  return {
    ifindex: Number(ifindex),
    direction: direction as Direction,
    priority: Number(priority),
    handle: Number(handle),
    ownsQdisc: owner === "own",
  };
}

/** The pins that `pinClsact` made for `path`, with a left-over of an interrupted one. */
function pinsOf(path: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    return [];
  }
  const prefix = `${basename(path)}+`;
  return names.filter((name) => name.startsWith(prefix)).map((name) => join(dirname(path), name));
}

/** Pins the program behind `fd` as that of the filter at `place`, in place of an earlier one, in one step. */
export function pinClsact(fd: number, place: ClsactPlace, path: string): void {
  const pin = encode(path, place);
  const fresh = `${path}+new`;
  unpinObject(fresh);
  pinObject(fd, fresh, `the TC filter on interface ${place.ifindex}`);
  renameSync(fresh, pin);
  for (const other of pinsOf(path)) if (other !== pin) unpinObject(other);
}

/** Removes the pins made for `path`. */
export function unpinClsact(path: string): void {
  for (const pin of pinsOf(path)) unpinObject(pin);
}

/**
 * The place of the filter that was pinned at `path`; `undefined` if none was.
 * @param attached tells the id of the program that is at a place now; 0: none.
 * @throws WeirError `ESTALE` if what is there now is not ours.
 */
export function findClsactPin(path: string, attached: (place: ClsactPlace) => number): ClsactPlace | undefined {
  const pin = pinsOf(path).find((candidate) => decode(basename(candidate)) !== undefined);
  const place = pin === undefined ? undefined : decode(basename(pin));
  if (pin === undefined || place === undefined) return undefined;
  const operation = `adopt the TC filter pinned at "${path}"`;
  const id = attached(place);
  if (id === 0) throw new WeirError({ code: "ESTALE", operation, reason: "it is not attached any more" });
  using pinned = Program.fromPin(pin);
  using running = Program.fromId(id);
  const kernelName = pinned.info().name;
  if (pinned.tag === running.tag || kernelName === running.info().name) return place;
  const reason = `program ${id} "${running.name}" is in its place`;
  throw new WeirError({ code: "ESTALE", operation, reason, hint: "remove the pin and attach again" });
}
