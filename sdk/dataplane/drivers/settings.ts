// SPDX-License-Identifier: Apache-2.0
/** Settings of a device that Weir may change, how they are read and written. */
import { WeirError } from "../../errors.ts";
import { type ChannelCounts, Ethtool, Netdev, Netlink, type RingSizes } from "../../netlink/index.ts";
import { libc } from "../../runtime/libc.ts";
import { NetSysfs } from "../../runtime/sysfs.ts";
import { NULL } from "../../runtime/types.ts";

/** Settings to make, or as they were before. Absent ones stay as they are. */
export interface DeviceSettings {
  /** Layer 3, in bytes. */
  readonly mtu?: number;
  /** Offload features by the kernel's names. */
  readonly features?: Readonly<Record<string, boolean>>;
  /** Queues. */
  readonly channels?: Partial<Omit<ChannelCounts, "other">>;
  /** Descriptors of each queue. */
  readonly rings?: Partial<RingSizes>;
  /** CPUs that the stack spreads a receive queue's packets over, as a mask of `rps_cpus`, by the queue's number. */
  readonly rps?: Readonly<Record<string, string>>;
  /** Interrupts of its queues. */
  readonly interrupts?: InterruptDeferral;
}

/** How long a queue is polled on by a timer, its interrupt off, after packets came (Documentation/networking/napi.rst). */
export interface InterruptDeferral {
  /** Times that it finds nothing before the interrupt is on again (`napi_defer_hard_irqs`). */
  readonly hardIrqs: number;
  /** Between two of them (`gro_flush_timeout`), in nanoseconds. */
  readonly flushNs: number;
}

/** What reaches the settings of one network namespace's devices. */
export interface DeviceAccess extends Disposable {
  readonly netlink: Netlink;
  readonly ethtool: Ethtool;
  /** `undefined` before Linux 6.3. */
  readonly netdev: Netdev | undefined;
  readonly sysfs: NetSysfs;
}

/** Those of the calling thread's namespace. */
export function openAccess(): DeviceAccess {
  using stack = new DisposableStack();
  const netlink = stack.use(Netlink.open());
  const ethtool = stack.use(Ethtool.open());
  const netdev = Netdev.open();
  if (netdev !== undefined) stack.use(netdev);
  const sysfs = stack.use(NetSysfs.open());
  const opened = stack.move();
  return { netlink, ethtool, netdev, sysfs, [Symbol.dispose]: () => opened.dispose() };
}

/** True where there is nothing to set. */
export function isEmpty(settings: DeviceSettings): boolean {
  return Object.keys(settings).length === 0;
}

/** All of both; where they differ, what `over` says. */
export function merge(under: DeviceSettings, over: DeviceSettings): DeviceSettings {
  const merged: Record<string, unknown> = { ...under };
  for (const [name, value] of Object.entries(over)) {
    merged[name] = typeof value === "object" ? { ...(merged[name] as object | undefined), ...value } : value;
  }
  return merged as DeviceSettings;
}

const DEFER = "napi_defer_hard_irqs";
const FLUSH = "gro_flush_timeout";
const rpsFile = (queue: string) => `queues/rx-${queue}/rps_cpus`;

/** The interrupt deferral in force; `undefined` where the kernel does not tell. */
export function readDeferral(sysfs: NetSysfs, device: string): InterruptDeferral | undefined {
  const [hardIrqs, flushNs] = [sysfs.read(device, DEFER), sysfs.read(device, FLUSH)];
  return hardIrqs === undefined || flushNs === undefined
    ? undefined
    : { hardIrqs: Number(hardIrqs), flushNs: Number(flushNs) };
}

/** How `settings` are now: applying the result takes them back. */
export function currentOf(access: DeviceAccess, device: string, settings: DeviceSettings): DeviceSettings {
  const { netlink, ethtool, sysfs } = access;
  const now: { -readonly [K in keyof DeviceSettings]: DeviceSettings[K] } = {};
  if (settings.features !== undefined) {
    const states = ethtool.featureStates(device);
    now.features = mapped(settings.features, (name) => states.get(name)?.requested ?? false);
  }
  if (settings.channels !== undefined) {
    const channels = ethtool.channels(device);
    now.channels = mapped(settings.channels, (name) => channels[name]);
  }
  if (settings.rings !== undefined) {
    const rings = ethtool.rings(device);
    now.rings = mapped(settings.rings, (name) => rings[name]);
  }
  const mtu = netlink.link(device)?.mtu;
  if (settings.mtu !== undefined && mtu !== undefined) now.mtu = mtu;
  // A queue that is not there yet begins without.
  if (settings.rps !== undefined) now.rps = mapped(settings.rps, (queue) => sysfs.read(device, rpsFile(queue)) ?? "0");
  const interrupts = readDeferral(sysfs, device);
  if (settings.interrupts !== undefined && interrupts !== undefined) now.interrupts = interrupts;
  return now;
}

function mapped<T extends object, V>(of: T, value: (name: keyof T & string) => V): { [K in keyof T]: V } {
  return Object.fromEntries(Object.keys(of).map((name) => [name, value(name as keyof T & string)])) as {
    [K in keyof T]: V;
  };
}

/**
 * Makes settings, one after the other; one that fails does not keep the others from being made.
 * @returns the failures.
 */
export function applySettings(access: DeviceAccess, device: string, settings: DeviceSettings): WeirError[] {
  const { netlink, ethtool, sysfs } = access;
  const failures: WeirError[] = [];
  const attempt = (set: () => void) => {
    try {
      set();
    } catch (error) {
      failures.push(asWeirError(device, error));
    }
  };
  const { mtu, features, channels, rings, rps = {}, interrupts } = settings;
  // Offloads first: some drivers allow neither an MTU nor queues beside them.
  if (features !== undefined) attempt(() => ethtool.setFeatures(device, features));
  if (channels !== undefined) attempt(() => setChannels(ethtool, device, channels));
  if (rings !== undefined) attempt(() => ethtool.setRings(device, rings));
  if (mtu !== undefined) attempt(() => netlink.setLink(device, { mtu }));
  for (const [queue, mask] of Object.entries(rps)) {
    if (sysfs.read(device, rpsFile(queue)) !== undefined) attempt(() => sysfs.write(device, rpsFile(queue), mask));
  }
  if (interrupts !== undefined) {
    attempt(() => {
      sysfs.write(device, DEFER, String(interrupts.hardIrqs));
      sysfs.write(device, FLUSH, String(interrupts.flushNs));
    });
  }
  return failures;
}

/** A closed AF_XDP socket holds its queue until the kernel has freed it, some milliseconds later. */
const HELD_MS = 500;
const RETRY_MS = 5;

function setChannels(ethtool: Ethtool, device: string, channels: NonNullable<DeviceSettings["channels"]>): void {
  for (let waited = 0; ; waited += RETRY_MS) {
    try {
      ethtool.setChannels(device, channels);
      return;
    } catch (error) {
      if (!(error instanceof WeirError) || !error.reason.includes("AF_XDP") || waited >= HELD_MS) throw error;
      libc.poll(NULL, 0, RETRY_MS);
    }
  }
}

/** Those of node:fs carry the code alone. */
function asWeirError(device: string, error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
  return new WeirError({ code, operation: `change the settings of "${device}"`, reason: code, cause: error });
}
