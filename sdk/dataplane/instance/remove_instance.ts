// SPDX-License-Identifier: Apache-2.0
/** Takes an instance out of the kernel and off the disk, whatever state it is in. */
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import { SqliteStore, type Store } from "../../store/index.ts";
import { adopt, pinnedLinks, removeLink } from "../device/attach.ts";
import { Devices } from "../device/devices.ts";
import { RaisedPacketLimits } from "../device/packet_limits.ts";
import { PeerFeatures } from "../device/peer_features.ts";
import { preflight } from "../device/preflight.ts";
import { ReplacedXdp } from "../device/replaced_xdp.ts";
import { Tuning } from "../drivers/index.ts";
import { HostSettings } from "../host/host_settings.ts";
import { withdrawExports } from "../kernel_routes/exporter.ts";
import type { Vrf } from "../schema/index.ts";
import { releaseNeighbours } from "../underlay/index.ts";
import { type InstancePaths, instancePaths } from "./instance.ts";
import { InstanceLock } from "./lock.ts";
import { trapDeviceName } from "./trap_link.ts";

/**
 * Detaches everything that is pinned, deletes the trap link, restores what was changed on other devices, removes
 * pins and desired state. What is gone already is no error.
 * @param store the store to be emptied and closed; default: the instance's own, if there is one.
 * @param netns path of the node's namespace.
 */
export function removeInstance(paths: InstancePaths, netns: string | undefined, store?: Store): void {
  withNetns(netns, () => {
    for (const path of pinnedLinks(paths.links)) {
      const link = adopt(path);
      if (link !== undefined) removeLink(link);
    }
    using devices = new Devices(netns);
    const trap = devices.find(trapDeviceName("wt", paths.name));
    if (trap !== undefined) devices.netlink.deleteLink(trap.ifindex);
    releaseNeighbours(devices.netlink);
  });
  const open = store ?? (existsSync(paths.store) ? SqliteStore.open(paths.store) : undefined);
  if (open !== undefined) {
    using devices = new Devices(netns);
    for (const table of exportedTables(open)) withdrawExports(devices.netlink, table);
    withNetns(netns, () => new HostSettings(open).restoreAll(devices.netlink));
    withNetns(netns, () => {
      const tuning = [new Tuning(open, "tuned"), new Tuning(open, "fixed")];
      const others = [new PeerFeatures(open), new RaisedPacketLimits(open), new ReplacedXdp(open, paths)];
      for (const settings of [...others, ...tuning]) settings.restoreAll();
    });
    open[Symbol.dispose]();
  }
  rmSync(paths.pins, { recursive: true, force: true });
  removeStore(paths);
}

/** Tables of the kernel's that VRFs of the desired state write into. */
function exportedTables(store: Store): number[] {
  const tables: number[] = [];
  for (const { kind, json } of store.objects()) {
    const config = kind === "vrfs" ? (JSON.parse(json) as Vrf).kernelRoutes : undefined;
    if (config?.export === true) tables.push(config.table);
  }
  return tables;
}

/** The file and SQLite's own beside it; the instance's own directory as well. */
function removeStore({ name, store }: InstancePaths): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(store + suffix, { force: true });
  rmSync(dirname(instancePaths(name).store), { recursive: true, force: true });
}

/** Options of {@link destroyInstance}. */
export interface DestroyOptions {
  /** Network namespace of the node, by name or path. Default: the process's own. */
  readonly netns?: string | undefined;
}

/**
 * Removes an instance that no controller runs, also one of another version. A second call is no error.
 * @throws WeirError `EBUSY` while a controller runs it.
 */
export function destroyInstance(name: string, o: DestroyOptions = {}): void {
  const paths = instancePaths(name);
  preflight(name);
  using lock = InstanceLock.take(paths.lock, name);
  removeInstance(paths, namespacePath(o.netns));
  lock.remove();
}
