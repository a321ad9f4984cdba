// SPDX-License-Identifier: Apache-2.0
/** Settings of the veths' other ends: they depend on the hooks of all interfaces together. */
import { WeirError } from "../../errors.ts";
import { hookOf } from "../device/attach.ts";
import type { LiveInterface } from "../device/live.ts";
import { type PeerUse, peerCommands } from "../device/peer_features.ts";
import type { Run } from "./context.ts";
import { isReachable, namespaceOfPeer, peerNamespace } from "./peer_namespace.ts";

/** Sets what must be set before programs are attached; what is not needed any more is restored once the run is kept. */
export function preparePeers(run: Run): void {
  const redirects = [...run.live.values()].some(usesXdp);
  for (const [name, live] of run.live) {
    if (live.object.parent !== undefined) continue;
    const use = redirects && isReachable(live) ? useOf(live) : undefined;
    const peerIndex = live.device?.peerIndex;
    if (use === undefined || peerIndex === undefined) {
      run.retire.push(() => run.peers.restore(name));
      continue;
    }
    try {
      preparePeer(run, name, live, use, peerIndex);
    } catch (error) {
      // Accepted earlier, it stays: the interface says what is wrong.
      if (!run.resuming || !(error instanceof WeirError)) throw error;
      run.live.set(name, { ...live, warnings: [...live.warnings, error.message] });
    }
  }
}

function preparePeer(run: Run, name: string, live: LiveInterface, use: PeerUse, peerIndex: number): void {
  const { device, object } = live;
  if (device === undefined || run.peers.isSet(name, use, namespaceOfPeer(live), peerIndex)) return;
  const before = run.peers.use(name);
  const netns = peerNamespace(run, object, device);
  run.undo.push(() => {
    if (before === undefined) run.peers.restore(name);
    else run.peers.set(name, before, netns, peerIndex);
  });
  run.peers.set(name, use, netns, peerIndex);
}

/** True where XDP decides what comes in at an interface. */
export function usesXdp({ object, device }: LiveInterface): boolean {
  return device !== undefined && object.parent === undefined && hookOf(object, device) === "xdp";
}

function useOf(live: LiveInterface): PeerUse | undefined {
  if (live.device?.kind !== "veth" || live.object.parent !== undefined) return undefined;
  return usesXdp(live) ? "sends" : "receives";
}

/** What people must do by hand where nothing tells Weir where the other end is. */
export function peerWarnings(lives: Iterable<LiveInterface>, live: LiveInterface): string[] {
  if (isReachable(live) || ![...lives].some(usesXdp)) return [];
  const use = useOf(live);
  return use === undefined ? [] : [`run at the other end of ${live.device?.name}, or give netns: ${peerCommands[use]}`];
}
