// SPDX-License-Identifier: Apache-2.0
/** Ages what the kernel programs have learned of workloads' MACs. */
import { monotonicMs } from "../instance/clock.ts";
import type { Parts } from "./context.ts";

/** Age of an interface that states none. */
const DEFAULT_AGE_SECONDS = 300;

/** Forgets MACs that nobody has sent from for as long as their interface says, and those of interfaces that are gone. */
export function ageLearned({ live, tables }: Pick<Parts, "live" | "tables">): number {
  const ages = new Map<number, number>();
  for (const { object, nexthop } of live.values()) {
    if (object.learn === true) ages.set(nexthop, object.learnAgeSeconds ?? DEFAULT_AGE_SECONDS);
  }
  if (ages.size === 0) return 0;
  const now = monotonicMs() / 1000;
  const old = [...tables.bridge.learned()].filter(({ nexthop, seenSeconds }) => {
    const age = ages.get(nexthop);
    return age === undefined || now - seenSeconds > age;
  });
  tables.bridge.forget(old);
  return old.length;
}
