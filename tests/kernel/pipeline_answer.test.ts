// SPDX-License-Identifier: Apache-2.0
/** What the kernel programs answer themselves: ARP, neighbour solicitations, echo. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  ADDRESS_GATEWAY,
  ADDRESS_OWN,
  INTERFACE_POLICY,
  INTERFACE_PROXY_ARP,
  INTERFACE_SOURCE_CHECK,
  ROUTE_DEFAULT,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { type Outcome, trapOf } from "./pipeline_outcome.ts";
import {
  addressBytes,
  arp,
  be16,
  checksumsAreRight,
  concat,
  echo,
  ethernet,
  finish,
  GATEWAY_MAC,
  ip,
  MAC_A,
  MAC_B,
  macBytes,
  solicitation,
} from "./pipeline_packets.ts";

const OWN = "10.97.0.1";
const OTHER = "10.97.0.2";
const GATEWAY = "10.97.0.254";
const OWN6 = "fd00:97::1";
const OTHER6 = "fd00:97::2";
const GATEWAY6 = "fe80::1";

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
  pipeline.setNexthop(10, "discard");
  pipeline.setNexthop(11, "local");
  // Policy is on and no controller runs: answers come all the same.
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_PROXY_ARP | INTERFACE_POLICY });
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.addInterface(3, { mac: "02:00:00:00:03:01" });
  pipeline.receiveOn(1);
  for (const address of [OWN, OWN6]) pipeline.addAddress(1, address, ADDRESS_OWN);
  for (const address of [GATEWAY, GATEWAY6]) pipeline.addAddress(1, address, ADDRESS_GATEWAY);
  pipeline.addRoute(1, "0.0.0.0/0", 2, ROUTE_DEFAULT);
  pipeline.addRoute(1, "::/0", 2, ROUTE_DEFAULT);
  for (const [address, nexthop] of [
    [OWN, 1],
    ["10.97.0.101", 1],
    [OTHER, 2],
    ["10.97.0.3", 3],
    ["10.97.0.10", 10],
    ["10.97.0.11", 11],
  ] as const)
    pipeline.addRoute(1, `${address}/32`, nexthop);
  for (const [address, nexthop] of [
    [OWN6, 1],
    [OTHER6, 2],
    ["fd00:97::3", 3],
  ] as const)
    pipeline.addRoute(1, `${address}/128`, nexthop);
  pipeline.addBridgeEntry(1, MAC_B, 2);
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
});

function expectNoAnswer({ verdict }: Outcome): void {
  expect(verdict).toBe("drop");
  expect(pipeline.counter(1, "answered")).toBe(0);
}

describe.each(hooks)("on the %s hook", (hook) => {
  test.each([
    ["a gateway", GATEWAY, GATEWAY_MAC],
    ["a workload whose MAC is bridged", OTHER, MAC_B],
    ["a workload whose MAC is not", "10.97.0.3", GATEWAY_MAC],
    ["the host", "10.97.0.11", GATEWAY_MAC],
  ])("ARP for %s is answered", (_name, target, mac) => {
    const { verdict, data } = pipeline.run(hook, arp({ sender: OWN, target }));
    expect(verdict).toBe("out");
    const head = concat(be16(1), be16(0x0800), [6, 4], be16(2));
    const body = concat(head, macBytes(mac), addressBytes(target), macBytes(MAC_A), addressBytes(OWN));
    expect(data).toEqual(ethernet(0x0806, body, { from: mac, to: MAC_A }));
    expect(pipeline.counter(1, "answered")).toBe(1);
    expect(pipeline.counter(1, "txPackets")).toBe(1);
  });

  test("a unicast ARP request is answered like a broadcast one", () => {
    const { data } = pipeline.run(hook, arp({ sender: OWN, target: GATEWAY, to: GATEWAY_MAC }));
    expect(data.subarray(6, 12)).toEqual(macBytes(GATEWAY_MAC));
  });

  test("the tag of a VLAN stays on the answer", () => {
    pipeline.addInterface(4, { mac: MAC_A, vlan: 44, flags: INTERFACE_PROXY_ARP });
    pipeline.receiveOn(4, 44);
    const { verdict, data } = pipeline.run(hook, arp({ sender: OWN, target: OTHER, vlans: [44] }));
    expect(verdict).toBe("out");
    expect(data.subarray(12, 18)).toEqual(Uint8Array.from([0x81, 0, 0, 44, 8, 6]));
  });

  test.each([
    ["the asker's own address", OWN, OWN],
    ["an own address, as a probe", "0.0.0.0", OWN],
    ["another address behind the asker", OWN, "10.97.0.101"],
    ["a gateway, gratuitous", GATEWAY, GATEWAY],
    ["an address that only a default route covers", OWN, "198.51.100.1"],
    ["an address that is discarded", OWN, "10.97.0.10"],
  ])("ARP for %s is not answered", (_name, sender, target) => {
    expectNoAnswer(pipeline.run(hook, arp({ sender, target })));
    expect(pipeline.drops(1)).toEqual({ broadcast: 1 });
  });

  test("without proxy ARP only gateways are answered for", () => {
    pipeline.addInterface(5, { mac: MAC_A });
    pipeline.addAddress(5, GATEWAY, ADDRESS_GATEWAY);
    pipeline.receiveOn(5);
    expect(pipeline.run(hook, arp({ sender: OWN, target: GATEWAY })).verdict).toBe("out");
    expect(pipeline.run(hook, arp({ sender: OWN, target: OTHER })).verdict).toBe("drop");
    pipeline.receiveOn(1);
  });

  test("an ARP reply to the gateway is for the slow path, one to a workload does not get past policy", () => {
    const reply = arp({ sender: OWN, target: GATEWAY, operation: 2, to: GATEWAY_MAC });
    expect(pipeline.run(hook, reply).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, reply))?.reason).toBe("arp");
    pipeline.clear();
    const bridged = arp({ sender: OWN, target: OTHER, operation: 2, to: MAC_B });
    expect(pipeline.run(hook, bridged).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "unsupported-protocol": 1 });
  });

  test.each([
    ["its own address", OWN, MAC_A, "out"],
    ["no address, as a probe does", "0.0.0.0", MAC_A, "out"],
    ["a link-local address", "169.254.7.7", MAC_A, "out"],
    ["the gateway's address", GATEWAY, MAC_A, "drop"],
    ["a neighbour's address", OTHER, MAC_A, "drop"],
    ["a neighbour's MAC", OWN, MAC_B, "drop"],
  ] as const)("ARP without policy that claims %s is bridged only if the source check allows it", (...row) => {
    const [, sender, mac, verdict] = row;
    pipeline.addInterface(5, { mac: MAC_A, vlan: 55, flags: INTERFACE_SOURCE_CHECK });
    pipeline.receiveOn(5, 55);
    pipeline.addAddress(5, OWN, ADDRESS_OWN);
    pipeline.addAddress(5, GATEWAY, ADDRESS_GATEWAY);
    const frame = arp({ sender, target: OTHER, operation: 2, to: MAC_B, vlans: [55] });
    // The MAC that ARP tells, behind Ethernet, tag, and the fixed part.
    frame.set(macBytes(mac), 18 + 8);
    expect(pipeline.run(hook, frame).verdict).toBe(verdict);
    expect(pipeline.drops(5)).toEqual(verdict === "out" ? {} : { "source-mismatch": 1 });
    pipeline.receiveOn(1);
  });

  test.each([
    ["a gateway", GATEWAY6, GATEWAY_MAC, 0xe0],
    ["a workload whose MAC is bridged", OTHER6, MAC_B, 0x60],
    ["a workload whose MAC is not", "fd00:97::3", GATEWAY_MAC, 0x60],
  ])("a neighbour solicitation for %s is answered", (_name, target, mac, flags) => {
    for (const option of [true, false]) {
      const question = solicitation({
        source: OWN6,
        destination: "ff02::1:ff00:1",
        to: "33:33:ff:00:00:01",
        target,
        option,
      });
      const { verdict, data } = pipeline.run(hook, question);
      expect(verdict).toBe("out");
      const o = { source: target, destination: OWN6, from: mac, to: MAC_A, ttl: 255 };
      const message = concat([136, 0, 0, 0, flags, 0, 0, 0], addressBytes(target), [2, 1], macBytes(mac));
      expect(data).toEqual(ip(58, finish(message, 2, 58, o), o));
      expect(checksumsAreRight(data)).toBe(true);
    }
    expect(pipeline.counter(1, "answered")).toBe(2);
  });

  test("a probe for somebody else's IPv6 address is answered to all nodes", () => {
    const question = solicitation({
      source: "::",
      destination: "ff02::1:ff00:2",
      to: "33:33:ff:00:00:02",
      target: OTHER6,
      option: false,
    });
    const { data } = pipeline.run(hook, question);
    expect(data.subarray(38, 54)).toEqual(addressBytes("ff02::1"));
    expect(data[58]).toBe(0x20);
    expect(checksumsAreRight(data)).toBe(true);
  });

  test.each([
    ["the asker's own address", OWN6, 255],
    ["an address that only a default route covers", "2001:db8::1", 255],
  ])("a neighbour solicitation for %s is not answered", (_name, target, ttl) => {
    for (const source of [OWN6, "::"])
      expectNoAnswer(
        pipeline.run(
          hook,
          solicitation({ source, destination: "ff02::1:ff00:1", to: "33:33:ff:00:00:01", target, ttl }),
        ),
      );
    expect(pipeline.drops(1)).toEqual({ broadcast: 2 });
  });

  test("a neighbour solicitation that a router has forwarded is invalid", () => {
    const question = solicitation({
      source: OWN6,
      destination: "ff02::1:ff00:1",
      to: "33:33:ff:00:00:01",
      target: GATEWAY6,
      ttl: 254,
    });
    expectNoAnswer(pipeline.run(hook, question));
    expect(pipeline.drops(1)).toEqual({ "invalid-packet": 1 });
  });

  test("a neighbour advertisement to the gateway is for the slow path", () => {
    const o = { source: OWN6, destination: GATEWAY6, ttl: 255 };
    const message = concat([136, 0, 0, 0, 0x60, 0, 0, 0], addressBytes(OWN6), [2, 1], macBytes(MAC_A));
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, ip(58, finish(message, 2, 58, o), o)))?.reason).toBe("neighbour-discovery");
  });

  test.each([
    ["IPv4", { source: OWN, destination: GATEWAY }],
    ["IPv6", { source: OWN6, destination: GATEWAY6 }],
    ["IPv4 with options", { source: OWN, destination: GATEWAY, options: new Uint8Array(8).fill(1) }],
    ["IPv4 with a TTL of 1", { source: OWN, destination: GATEWAY, ttl: 1 }],
  ])("ping of a gateway over %s is answered", (_name, o) => {
    const { verdict, data } = pipeline.run(hook, echo(o));
    expect(verdict).toBe("out");
    const type = o.source.includes(":") ? 129 : 0;
    const back = { ...o, source: o.destination, destination: o.source, from: GATEWAY_MAC, to: MAC_A };
    expect(data).toEqual(echo({ ...back, type }));
    expect(checksumsAreRight(data)).toBe(true);
    expect(pipeline.counter(1, "answered")).toBe(1);
    expect(pipeline.drops(1)).toEqual({});
  });

  test("each fragment of a long ping of the gateway goes back", () => {
    const first = { source: OWN, destination: GATEWAY, fragment: 0x2000 };
    const later = { source: OWN, destination: GATEWAY, fragment: 0x0002 };
    expect(pipeline.run(hook, echo(first)).data[34]).toBe(0);
    const { verdict, data } = pipeline.run(hook, ip(1, new Uint8Array(16).fill(8), later));
    expect(verdict).toBe("out");
    const back = { ...later, source: GATEWAY, destination: OWN, from: GATEWAY_MAC, to: MAC_A };
    expect(data).toEqual(ip(1, new Uint8Array(16).fill(8), back));
  });

  test("ping of anybody else, and an echo reply to the gateway, are not answered", () => {
    for (const frame of [
      echo({ source: OWN, destination: OTHER }),
      echo({ source: OWN, destination: GATEWAY, type: 0 }),
      echo({ source: OWN6, destination: OTHER6 }),
    ])
      expectNoAnswer(pipeline.run(hook, frame));
    expect(pipeline.drops(1)).toEqual({ "no-controller": 3 });
  });

  test("an ARP packet cut at each length is dropped", () => {
    const frame = arp({ sender: OWN, target: GATEWAY });
    for (let length = 14; length < frame.length; length++)
      expect(pipeline.run(hook, frame.subarray(0, length)).verdict).toBe("drop");
  });
});
