// SPDX-License-Identifier: Apache-2.0
/** A node with two uplinks and the underlay on it, and a stopwatch for what it follows. */
import { expect } from "bun:test";
import { Underlay, type UnderlayTarget } from "../../sdk/dataplane/underlay/index.ts";
import { Lab, nodes, ROUTER, twoUplinksTopology } from "../../sdk/lab/index.ts";
import type { Netlink } from "../../sdk/netlink/index.ts";
import { deprivedMs } from "./deprived.ts";

/** How long a change may take, from the kernel's doing to the callback. */
export const FOLLOWED_WITHIN_MS = 50;

/** The far node, by IPv4 and by IPv6. */
export const remote4 = { remote: nodes.n2.underlay4 };
export const remote6 = { remote: nodes.n2.underlay6 };

let counter = 0;

/** Index of a link; 0 if there is none. */
export function indexOf(netlink: Netlink, device: string): number {
  return netlink.link(device)?.index ?? 0;
}

/** The lab of one test, seen from node `n1`. Disposing takes it down. */
export class UnderlayLab implements Disposable {
  readonly lab = Lab.create(twoUplinksTopology(), { prefix: `wN-u${process.pid}-${counter++}-` });
  readonly node = this.lab.netlink("n1");
  readonly router = this.lab.netlink(ROUTER);
  readonly f0 = indexOf(this.node, "f0");
  readonly f1 = indexOf(this.node, "f1");
  readonly underlay: Underlay;
  #wake = () => {};

  constructor(o: { readonly bufferBytes?: number } = {}) {
    this.underlay = Underlay.open({ netns: this.lab.netns("n1"), onChange: () => this.#wake(), ...o });
  }

  [Symbol.dispose](): void {
    this.underlay[Symbol.dispose]();
    this.node.close();
    this.router.close();
    this.lab.destroy();
  }

  /** Runs `ip` on the node. */
  ip(...words: string[]): void {
    expect(this.lab.execSync("n1", ["ip", ...words]).stderr).toBe("");
  }

  /** Names of the links that the paths of a target lead by, `f0,f1`. */
  devices(target: UnderlayTarget): string {
    const paths = this.underlay.paths(target);
    return `${paths.map(({ ifindex }) => this.node.link(ifindex)?.name ?? "gone")}`;
  }

  /** Tracks the far node by both families and waits for all paths. */
  async trackBoth(): Promise<void> {
    for (const target of [remote4, remote6]) this.underlay.track(target);
    await this.until(() => this.bothLead("f0,f1"));
  }

  /** Whether the far node is reached by these links in both families. */
  bothLead(devices: string): boolean {
    return this.devices(remote4) === devices && this.devices(remote6) === devices;
  }

  /** Looks at each change that is told, and now and then. */
  async until(holds: () => boolean, timeoutMs = 3000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`did not come within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Makes a change and waits for what follows from it; the time between is asserted. */
  async followed(what: string, change: () => void, holds: () => boolean): Promise<void> {
    expect(await this.measured(what, change, holds)).toBeLessThan(FOLLOWED_WITHIN_MS);
  }

  /** Makes a change and gives the milliseconds until what follows from it holds. */
  async measured(what: string, change: () => void, holds: () => boolean): Promise<number> {
    expect(holds()).toBe(false);
    change();
    // Counted from the end of the system call: the kernel itself takes long to take a link down.
    const [start, deprivedBefore] = [performance.now(), deprivedMs()];
    await this.until(holds);
    const elapsedMs = performance.now() - start;
    const othersMs = deprivedMs() - deprivedBefore;
    console.log(`${what}: followed within ${elapsedMs.toFixed(1)} ms, of which others ran ${othersMs.toFixed(1)} ms`);
    return elapsedMs - othersMs;
  }
}
