// SPDX-License-Identifier: Apache-2.0
/**
 * Entering network namespaces. A namespace belongs to a thread, so what happens inside must be synchronous:
 * an `await` would run the rest of the program in the wrong namespace.
 */

import { WeirError } from "../errors.ts";
import { CLONE_NEWNET, close, O_RDONLY, open, setns } from "./libc.ts";

const AsyncFunction = (async () => {}).constructor;

function refuseAsync(): never {
  throw new WeirError({
    code: "EINVAL",
    operation: "enter a network namespace",
    reason: "the function is asynchronous",
    hint: "do only synchronous work inside",
  });
}

/**
 * Runs `fn` in the network namespace at `path` (`/run/netns/NAME`, `/proc/PID/ns/net`) and comes back,
 * also when `fn` throws. `undefined` runs it where the thread is. Sockets opened inside stay in that namespace.
 * Calls may be nested.
 * @throws WeirError `EINVAL` if `fn` is asynchronous, `ENOENT` if there is no such namespace.
 */
export function withNetns<T>(path: string | undefined, fn: () => T): T {
  if (fn instanceof AsyncFunction) refuseAsync();
  if (path === undefined) return fn();
  const own = open("/proc/thread-self/ns/net", O_RDONLY);
  let result: T;
  try {
    const target = open(path, O_RDONLY);
    try {
      setns(target, CLONE_NEWNET);
    } finally {
      close(target);
    }
    try {
      result = fn();
    } finally {
      setns(own, CLONE_NEWNET);
    }
  } finally {
    close(own);
  }
  if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") refuseAsync();
  return result;
}
