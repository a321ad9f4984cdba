// SPDX-License-Identifier: Apache-2.0
/** The trap link's programs: with real devices where TC reads what XDP has left in front of a packet. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { runtime } from "#runtime";
import {
  INGRESS_TUNNEL,
  INJECT_FLAG_ALLOWED,
  INTERFACE_PEER,
  INTERFACE_POLICE_RECEIVED,
  INTERFACE_POLICY,
  INTERFACE_QOS,
  type InjectAction,
  InjectActionValue,
  InterfaceRoleValue,
  injectMetaCodec,
  NEXTHOP_FLAG_PEER,
  NEXTHOP_FLAG_POLICY,
  POLICE_RECEIVED,
  trapMetaCodec,
  WEIR_CUT_MAGIC,
  WEIR_TRAP_MAGIC,
} from "../../sdk/layout/generated.ts";
import { attachTc, attachXdp, type Link } from "../../sdk/libbpf/index.ts";
import { bind, close, deviceIndex, poll, recv, SOCK_RAW, sendto, socket } from "../../sdk/runtime/libc.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { setPolicer, setQosMap } from "./pipeline_classes.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { Pipeline } from "./pipeline_harness.ts";
import { addLabelledRoute, setMirror, setTunnel } from "./pipeline_overlay.ts";
import { arp, concat, GATEWAY_MAC, MAC_A, MAC_B, macBytes, udp } from "./pipeline_packets.ts";

const NODE = `wC-node${process.pid}`;
const POD = `wC-pod${process.pid}`;
const AF_PACKET = 17;
const ETH_P_ALL_BE = 0x0300;

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

const inside = <T>(namespace: string, fn: () => T): T => withNetns(`/run/netns/${namespace}`, fn);

/** All frames of a device, as a raw socket sees them. */
class RawDevice implements Disposable {
  readonly #fd: number;

  constructor(namespace: string, device: string) {
    const address = runtime.alloc(20); // struct sockaddr_ll
    this.#fd = inside(namespace, () => {
      address.view.setUint16(0, AF_PACKET, true);
      address.view.setUint16(2, ETH_P_ALL_BE, true);
      address.view.setInt32(4, deviceIndex(device) ?? 0, true);
      return socket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE);
    });
    bind(this.#fd, address, device);
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }

  send(frame: Uint8Array): void {
    const buffer = runtime.alloc(frame.length);
    buffer.bytes.set(frame);
    sendto(this.#fd, buffer, frame.length, 0);
  }

  /** The next frame, or undefined after `timeoutMs`. */
  receive(timeoutMs = 1000): Uint8Array | undefined {
    const wait = runtime.alloc(8);
    wait.view.setInt32(0, this.#fd, true);
    wait.view.setInt16(4, 1, true);
    if (poll(wait, 1, timeoutMs) === 0) return undefined;
    const buffer = runtime.alloc(2048);
    return buffer.bytes.slice(0, recv(this.#fd, buffer, 0) ?? 0);
  }
}

function header(
  action: InjectAction,
  o: {
    interface?: number;
    vrf?: number;
    ingress?: number;
    nexthop?: number;
    forwardingClass?: number;
    flags?: number;
    mirror?: number;
  } = {},
): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  injectMetaCodec.magic.set(view, 0, WEIR_TRAP_MAGIC);
  injectMetaCodec.action.set(view, 0, InjectActionValue[action]);
  injectMetaCodec.flags.set(view, 0, o.flags ?? 0);
  injectMetaCodec.interface.set(view, 0, o.interface ?? 0);
  injectMetaCodec.vrf.set(view, 0, o.vrf ?? 0);
  injectMetaCodec.ingress.set(view, 0, o.ingress ?? 0);
  injectMetaCodec.nexthop.set(view, 0, o.nexthop ?? 0);
  injectMetaCodec.forwardingClass.set(view, 0, o.forwardingClass ?? 0);
  injectMetaCodec.mirror.set(view, 0, o.mirror ?? 0);
  return bytes;
}

/** As it leaves after routing. */
function rewritten(frame: Uint8Array): Uint8Array {
  return concat(macBytes(MAC_B), macBytes(GATEWAY_MAC), frame.subarray(12));
}

let pipeline: Pipeline;
let far: RawDevice;
let pod: RawDevice;
const links: Link[] = [];

beforeAll(() => {
  for (const namespace of [NODE, POD]) ip("netns", "add", namespace);
  ip("-n", NODE, "link", "add", "wt", "mtu", "2000", "type", "veth", "peer", "name", "wx", "mtu", "2000");
  ip("-n", NODE, "link", "add", "h2", "type", "veth", "peer", "name", "eth0", "netns", POD);
  for (const device of ["wt", "wx", "h2"]) ip("-n", NODE, "link", "set", device, "addrgenmode", "none", "up");
  ip("-n", POD, "link", "set", "eth0", "address", MAC_B, "addrgenmode", "none", "up");
  pipeline = new Pipeline();
  inside(NODE, () => {
    const ifindex = deviceIndex("wt") ?? 0;
    links.push(attachXdp({ program: pipeline.collection.program("weir_inject_xdp"), ifindex, mode: "native" }));
    links.push(attachTc({ program: pipeline.collection.program("weir_inject_tc"), ifindex, direction: "ingress" }));
  });
  far = new RawDevice(NODE, "wx");
  pod = new RawDevice(POD, "eth0");
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
  Bun.sleepSync(100); // until the devices take frames
});
afterAll(() => {
  for (const link of links) {
    try {
      inside(NODE, () => link.detach());
    } finally {
      link[Symbol.dispose]();
    }
  }
  far?.[Symbol.dispose]();
  pod?.[Symbol.dispose]();
  pipeline?.[Symbol.dispose]();
  for (const namespace of [NODE, POD]) spawnSync("ip", ["netns", "delete", namespace]);
});

describe.each([
  ["bpf_redirect", false],
  ["bpf_redirect_peer", true],
])("what the slow path injects, sent by %s", (_name, peer) => {
  beforeEach(() => {
    pipeline.clear();
    const ifindex = inside(NODE, () => deviceIndex("h2")) ?? 0;
    const nexthopFlags = NEXTHOP_FLAG_POLICY | (peer ? NEXTHOP_FLAG_PEER : 0);
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY, ifindex });
    pipeline.addInterface(2, { mac: MAC_B, flags: peer ? INTERFACE_PEER : 0, ifindex, nexthopFlags });
    while (pod.receive(0) !== undefined);
  });

  test("is received again by its interface and follows its flow", () => {
    for (const addresses of [V4, V6]) {
      pipeline.decide(addresses);
      const frame = udp(addresses);
      far.send(concat(header("received", { interface: 1 }), frame));
      expect(pod.receive()).toEqual(rewritten(udp({ ...addresses, ttl: 63 })));
    }
    expect(pipeline.counter(1, "flowHits")).toBe(2);
    expect(pipeline.counter(2, "txPackets")).toBe(2);
    // It was counted when it came.
    expect(pipeline.counter(1, "rxPackets")).toBe(0);
  });

  test("goes on without a flow where policy allowed it by itself, and makes none", () => {
    for (const addresses of [V4, V6]) {
      far.send(concat(header("received", { interface: 1, flags: INJECT_FLAG_ALLOWED }), udp(addresses)));
      expect(pod.receive()).toEqual(rewritten(udp({ ...addresses, ttl: 63 })));
      expect(pipeline.flow(addresses)).toBeUndefined();
      far.send(concat(header("received", { interface: 1 }), udp(addresses)));
      expect(pod.receive(50)).toBeUndefined();
    }
    expect(pipeline.drops(1)).toEqual({ "no-controller": 2 });
  });

  test("leaves with the marks of the class that it had, and is not policed again", () => {
    const ifindex = inside(NODE, () => deviceIndex("h2")) ?? 0;
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICE_RECEIVED, ifindex });
    pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_QOS, qosMap: 2, ifindex });
    setPolicer(pipeline, 1, POLICE_RECEIVED, { bitsPerSecond: 1000, burstBytes: 1 });
    setQosMap(pipeline, 2, { marks: { 7: { dscp: 16 } } });
    for (let i = 0; i < 2; i++) {
      far.send(concat(header("received", { interface: 1, forwardingClass: 8 }), udp(V4)));
      expect(pod.receive()?.[15]).toBe(16 << 2);
    }
  });

  test("leaves an interface as it is", () => {
    const frame = arp({ sender: "10.97.0.254", target: "10.97.0.2" });
    far.send(concat(header("transmit", { interface: 2 }), frame));
    expect(pod.receive()).toEqual(frame);
  });

  test("is routed in a VRF, without policy and with its TTL", () => {
    for (const addresses of [V4, V6]) {
      const frame = udp({ ...addresses, to: "02:00:00:00:77:77" });
      far.send(concat(header("route", { vrf: 1 }), frame));
      expect(pod.receive()).toEqual(rewritten(frame));
    }
  });

  test("goes nowhere without a header", () => {
    far.send(udp(V4));
    far.send(concat(header("none", { interface: 1 }), udp(V4)));
    far.send(concat(header("received", { interface: 77 }), udp(V4)));
    far.send(concat(header("route", { vrf: 5 }), udp(V4)));
    expect(pod.receive(50)).toBeUndefined();
    expect(pipeline.drops(0)).toEqual({ "invalid-packet": 1, "no-route": 1 });
    expect(pipeline.drops(1)).toEqual({ "unknown-interface": 1 });
  });
});

describe("what had come out of a tunnel", () => {
  const TUNNEL = 30;
  const FABRIC = 3;
  const ingress = (INGRESS_TUNNEL | TUNNEL) >>> 0;
  const packet = udp({ ...V4, from: GATEWAY_MAC });

  beforeEach(() => {
    pipeline.clear();
    const ifindex = inside(NODE, () => deviceIndex("h2") ?? 0);
    pipeline.addInterface(2, { ifindex, mac: MAC_B });
    pipeline.addInterface(FABRIC, { ifindex, vrf: 99, role: InterfaceRoleValue.fabric });
    pipeline.setNexthop(50, "interface", { interface: FABRIC, mac: MAC_B });
    setTunnel(pipeline, TUNNEL, { encap: "vxlan", local: "192.0.2.1", remote: "192.0.2.2", underlay: 50 });
    addLabelledRoute(pipeline, 1, "10.97.9.0/24", TUNNEL, { vni: 77 });
  });

  test("goes on in the VRF of its VNI, and loses one hop", () => {
    far.send(concat(header("received", { interface: FABRIC, vrf: 1, ingress }), packet));
    const received = pod.receive();
    expect(received?.[22]).toBe(63);
    expect(received?.subarray(26)).toEqual(packet.subarray(26));
    expect(pipeline.drops(FABRIC)).toEqual({});
  });

  test("goes on to what its label led to, its TTL as it was", () => {
    const other = udp({ ...V4, destination: "10.97.77.77", from: GATEWAY_MAC });
    far.send(concat(header("received", { interface: FABRIC, vrf: 1, ingress, nexthop: 2 }), other));
    expect(pod.receive()).toEqual(rewritten(other));
  });

  test("hits the flow that names its tunnel", () => {
    pipeline.addInterface(2, {
      ifindex: inside(NODE, () => deviceIndex("h2") ?? 0),
      mac: MAC_B,
      nexthopFlags: NEXTHOP_FLAG_POLICY,
    });
    expect(pipeline.decide(V4, { ingress, nexthop: 2, reverseNexthop: TUNNEL }).result).toBe("ok");
    far.send(concat(header("received", { interface: FABRIC, vrf: 1, ingress }), packet));
    expect(pod.receive()?.[22]).toBe(63);
    expect(pipeline.flow(V4)?.packets).toBe(1);
  });

  test("is answered into the tunnel by a route, the TTL as it was", () => {
    const answer = udp({ source: "10.97.0.2", destination: "10.97.9.1" });
    far.send(concat(header("route", { interface: FABRIC, vrf: 1 }), answer));
    const received = pod.receive() ?? new Uint8Array(0);
    expect(received.subarray(26, 34)).toEqual(Uint8Array.from([192, 0, 2, 1, 192, 0, 2, 2]));
    expect(received.subarray(62)).toEqual(answer.subarray(12));
    expect(pipeline.drops(FABRIC)).toEqual({});
  });
});

describe("the far end of the trap link", () => {
  const frame = udp(V4);
  const meta = new Uint8Array(32);
  const view = new DataView(meta.buffer);

  beforeEach(() => {
    pipeline.clear();
    trapMetaCodec.magic.set(view, 0, WEIR_TRAP_MAGIC);
    trapMetaCodec.interface.set(view, 0, 1);
    trapMetaCodec.generation.set(view, 0, 0x01020304);
  });

  test("gives a packet to the socket of its queue, the header as metadata", () => {
    pipeline.controllerStarts();
    const outcome = pipeline.run("xdp", concat(meta, frame), "weir_trap_xdp");
    expect(outcome).toEqual({ verdict: "out", data: frame, metadata: meta });
    pipeline.controllerStops();
  });

  test("counts what nobody listens for at the interface that received it", () => {
    expect(pipeline.run("xdp", concat(meta, frame), "weir_trap_xdp").verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
  });

  test("cuts a copy that TC could not, and sends it back", () => {
    setMirror(pipeline, 7, { nexthop: 2, truncate: 64 });
    const copy = header("mirror", { interface: 1, mirror: 7 });
    const cut = copy.slice();
    injectMetaCodec.magic.set(new DataView(copy.buffer), 0, WEIR_CUT_MAGIC);
    const long = udp({ ...V4, payload: new Uint8Array(300) });
    for (const [packet, bytes] of [
      [long, 64],
      [long.subarray(0, 60), 60],
    ] as const) {
      const { verdict, data } = pipeline.run("xdp", concat(copy, packet), "weir_trap_xdp");
      expect(verdict).toBe("back");
      expect(data).toEqual(concat(cut, packet.subarray(0, bytes)));
    }
    expect(pipeline.drops(1)).toEqual({});
  });

  test("drops what has no header", () => {
    for (const bytes of [frame, frame.subarray(0, 20)])
      expect(pipeline.run("xdp", bytes, "weir_trap_xdp").verdict).toBe("drop");
    expect(pipeline.drops(0)).toEqual({ "invalid-packet": 2 });
  });
});
