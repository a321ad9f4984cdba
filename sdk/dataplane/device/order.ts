// SPDX-License-Identifier: Apache-2.0
/** Where the TC program of an interface goes among those of others: `order` of the state, found on the device. */
import { WeirError } from "../../errors.ts";
import { type Anchor, after, before, head, tail } from "../../libbpf/index.ts";
import type { Order } from "../schema/index.ts";
import { attachedPrograms, type TcDirection } from "./attached_programs.ts";
import type { Device } from "./devices.ts";

/** Characters of a program's name that the kernel keeps (`BPF_OBJ_NAME_LEN` less the NUL). */
const NAME_LENGTH = 15;

/** Text of an order for messages: `head`, `before "cilium"`. */
export function orderText(order: Order): string {
  if (typeof order === "string") return order;
  const [side, program] = named(order);
  return `${side} ${JSON.stringify(program)}`;
}

function named(order: Exclude<Order, string>): ["before" | "after", string | number] {
  return order.before === undefined ? ["after", order.after ?? 0] : ["before", order.before];
}

/**
 * The place that an order means on TC of a device, whose namespace the thread is in.
 * @param fallBack goes to the end of the row on the side that is asked for where the program is not there, and tells.
 * @throws WeirError `ENOENT` when the program is not there, unless `fallBack` is given.
 */
export function anchorOf(
  order: Order,
  device: Device,
  direction: TcDirection,
  fallBack?: (warning: string) => void,
): Anchor {
  if (order === "head") return head();
  if (order === "tail") return tail();
  const [side, program] = named(order);
  const wanted = typeof program === "string" ? program.slice(0, NAME_LENGTH) : program;
  const found = attachedPrograms(device.ifindex, direction).filter(
    ({ hook, id, name }) => hook !== "xdp" && (id === wanted || name === wanted),
  );
  // Of several of one name, before means before all of them.
  const neighbour = found.at(side === "before" ? 0 : -1);
  if (neighbour !== undefined) return (side === "before" ? before : after)({ programId: neighbour.id });
  const error = new WeirError({
    code: "ENOENT",
    operation: `attach ${orderText(order)} on "${device.name}"`,
    reason: `no such program is on its TC ${direction}`,
    hint: "attach that program first, or use order: head or tail",
  });
  if (fallBack === undefined) throw error;
  fallBack(`${error.message}; it is at the ${side === "before" ? "head" : "tail"} meanwhile`);
  return side === "before" ? head() : tail();
}
