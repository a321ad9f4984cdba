// SPDX-License-Identifier: Apache-2.0
/** The load that traces beside the one that forwards: the same packets, the same answers, and nothing changed. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { TracedLoad, type TracedRun } from "../../sdk/dataplane/trace/traced_load.ts";
import {
  ADDRESS_GATEWAY,
  dropReasons,
  FlowActionValue,
  flowActions,
  INTERFACE_BRIDGE_LEARN,
  INTERFACE_LEARN_MAC,
  INTERFACE_POLICE_RECEIVED,
  INTERFACE_POLICY,
  INTERFACE_SOURCE_CHECK,
  InterfaceRoleValue,
  POLICE_RECEIVED,
  trapReasons,
} from "../../sdk/layout/generated.ts";
import { dumpDifferences, dumpMaps } from "./map_dump.ts";
import { setPolicer } from "./pipeline_classes.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { type Hook, hooks, LOOPBACK, Pipeline } from "./pipeline_harness.ts";
import { addLabelledRoute, addUnderlayAddress, addVni, setGroup, setTunnel } from "./pipeline_overlay.ts";
import {
  arp,
  BROADCAST,
  concat,
  echo,
  ip,
  MAC_A,
  MAC_B,
  macBytes,
  TCP_ACK,
  TCP_SYN,
  tcp,
  udp,
} from "./pipeline_packets.ts";
import { FABRIC_MAC, outerHeaders, PEER_MAC, tunnelCases, tunnelId, VNI } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

/** Two loads, where a CPU is emulated. */
const LOAD_TIMEOUT_MS = 180_000;
/** A quarter of a million counters, twice, where a CPU is emulated. */
const DUMP_TIMEOUT_MS = 180_000;
const FABRIC = 3;
const UPLINK = 50;
const FLOOD = 60;
const ECMP = 61;
const DISCARD = 62;
/** No power of two: that would be one entry more (`flowTableEntries`). */
const LIMITS = { flows: 1000, routes: 1024, nexthops: 1024 };
const REMOTE4 = { ...V4, destination: "10.97.9.2" };

let pipeline: Pipeline;
let traced: TracedLoad;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline({ flows: LIMITS.flows });
  traced = TracedLoad.load({ limits: LIMITS, loaded: pipeline.collection.maps });
}, LOAD_TIMEOUT_MS);
beforeAll(() => {
  const texts: Record<string, string> = {};
  for (const o of tunnelCases) {
    const eth = o.encap === "vxlan" ? `/Ether(src="00:00:5e:00:01:00",dst="00:00:5e:00:01:00")` : "";
    const inner = `IP(src="10.97.9.2",dst="10.97.0.2")/UDP(sport=1000,dport=2000)/b"abcdefgh"`;
    texts[o.name] = `${outerHeaders(o, { reverse: true, labelTtl: 64 })}${eth}/${inner}`;
  }
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => {
  traced[Symbol.dispose]();
  pipeline[Symbol.dispose]();
});
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 100 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric });
  pipeline.receiveOn(1);
  pipeline.addAddress(1, "169.254.1.1", ADDRESS_GATEWAY);
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  pipeline.setNexthop(DISCARD, "discard");
  for (const [prefix, nexthop] of [
    ["10.97.0.1/32", 1],
    ["10.97.0.2/32", 2],
    ["fd00:97::1/128", 1],
    ["fd00:97::2/128", 2],
    ["10.98.0.0/16", DISCARD],
    ["10.99.0.0/16", ECMP],
  ] as const)
    pipeline.addRoute(1, prefix, nexthop);
  setGroup(pipeline, ECMP, "ecmp", 100, [{ nexthop: 2 }, { nexthop: 1 }]);
  pipeline.addBridgeEntry(1, MAC_B, 2);
});

const stages = ({ records }: TracedRun): string[] => records.map(({ stage }) => stage);

/** What the pipeline reads and writes. */
const STATE = ["config", "interfaces", "nexthops", "fdb", "flows4", "flows6", "fragments", "policers"];

/** Traces a frame, and sees that no state is another after it. */
function traceQuietly(hook: Hook, frame: Uint8Array): TracedRun {
  const maps = STATE.map((name) => pipeline.map(name));
  const before = dumpMaps(maps);
  const run = traced.run(hook, frame, LOOPBACK);
  expect(dumpDifferences(before, dumpMaps(maps))).toEqual([]);
  return run;
}

/** What the load that forwards makes of a frame: its bytes where they go out, and why it drops them. */
function expectSameAsLive(hook: Hook, frame: Uint8Array): TracedRun {
  const run = traceQuietly(hook, frame);
  const live = pipeline.run(hook, frame);
  const dropped = run.records.filter(({ stage }) => stage === "drop").map(({ code }) => dropReasons[code]);
  expect([...Object.keys(pipeline.drops(0)), ...Object.keys(pipeline.drops(1))]).toEqual(dropped as string[]);
  const sent = stages(run).includes("output");
  expect(sent).toBe(live.verdict === "out");
  if (sent) expect(run.frame.toHex()).toBe(live.data.toHex());
  return run;
}

describe.each([...hooks])("a trace on the %s hook", (hook) => {
  const cases: [string, Uint8Array, string[]][] = [
    ["a routed packet", udp(V4), ["interface", "route", "nexthop", "rewrite", "output"]],
    ["a routed packet of IPv6", udp(V6), ["interface", "route", "nexthop", "rewrite", "output"]],
    ["a bridged packet", udp({ ...V4, to: MAC_B }), ["interface", "bridge", "nexthop", "output"]],
    ["an unknown MAC", udp({ ...V4, to: "02:00:00:00:0f:0f" }), ["interface", "bridge", "drop"]],
    ["no route", udp({ ...V4, destination: "10.200.0.1" }), ["interface", "route", "drop"]],
    ["a discard route", udp({ ...V4, destination: "10.98.0.1" }), ["interface", "route", "drop"]],
    ["the last hop", udp({ ...V4, ttl: 1 }), ["interface", "drop"]],
    [
      "an ecmp next hop",
      udp({ ...V4, destination: "10.99.0.1" }),
      ["interface", "route", "ecmp", "nexthop", "rewrite", "output"],
    ],
    ["an echo to the gateway", echo({ ...V4, destination: "169.254.1.1" }), ["interface", "answer", "output"]],
    ["ARP for the gateway", arp({ sender: V4.source, target: "169.254.1.1" }), ["interface", "answer", "output"]],
    ["a tag that is nobody's", udp({ ...V4, vlans: [7] }), ["drop"]],
    ["a packet cut short", udp(V4).subarray(0, 40), ["interface", "drop"]],
    ["a first fragment", udp({ ...V4, fragment: 0x2000 }), ["interface", "route", "nexthop", "rewrite", "output"]],
    [
      "a later fragment",
      ip(17, new Uint8Array(40), { ...V4, fragment: 0x2010 }),
      ["interface", "route", "nexthop", "rewrite", "output"],
    ],
    ["a group that nobody takes", udp({ ...V4, to: "01:00:5e:00:00:05" }), ["interface", "bridge", "drop"]],
  ];
  test.each(cases)("tells what becomes of %s", (_, frame, expected) => {
    expect(stages(expectSameAsLive(hook, frame))).toEqual(expected);
  });

  test(
    "counts nothing, in no table of all",
    () => {
      const maps = [...pipeline.collection.maps.values()];
      pipeline.configure({ dropSamples: 100 });
      const before = dumpMaps(maps);
      for (const [, frame] of cases) traced.run(hook, frame, LOOPBACK);
      expect(dumpDifferences(before, dumpMaps(maps))).toEqual([]);
      pipeline.configure({ dropSamples: 0 });
    },
    DUMP_TIMEOUT_MS,
  );

  test.each(tunnelCases.map((o) => [o.name, o] as const))("tells what goes into a tunnel by %s", (_, o) => {
    setTunnel(pipeline, tunnelId(o), { encap: o.encap, local: o.local, remote: o.remote, underlay: UPLINK });
    addLabelledRoute(pipeline, 1, "10.97.9.2/32", tunnelId(o), o.encap === "vxlan" ? { vni: VNI } : { label: 100 });
    const run = expectSameAsLive(hook, udp(REMOTE4));
    expect(stages(run)).toEqual(["interface", "route", "nexthop", "rewrite", "encapsulate", "output"]);
  });

  test("tells what comes out of a tunnel, and whose it was", () => {
    const [o] = tunnelCases.filter(({ name }) => name === "vxlan over IPv4");
    if (o === undefined) throw new Error("no case");
    pipeline.receiveOn(FABRIC);
    setTunnel(pipeline, tunnelId(o), { encap: o.encap, local: o.local, remote: o.remote, underlay: UPLINK });
    addUnderlayAddress(pipeline, o.local);
    addVni(pipeline, VNI, 1);
    const run = traceQuietly(hook, packets[o.name] ?? new Uint8Array(0));
    expect(stages(run)).toEqual(["interface", "decapsulate", "route", "nexthop", "rewrite", "output"]);
    expect(run.records[1]).toMatchObject({ id: VNI, tunnel: tunnelId(o), routeVrf: 1 });
    expect(run.frame.toHex()).toBe(pipeline.run(hook, packets[o.name] ?? new Uint8Array(0)).data.toHex());
  });

  test("tells of a flow that is decided, and leaves its counters and state alone", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
    pipeline.controllerStarts();
    const tuple = { ...V4, protocol: 6 };
    pipeline.decide(tuple);
    const run = traceQuietly(hook, tcp({ ...V4, flags: TCP_ACK }));
    expect(stages(run)).toEqual(["interface", "flow", "nexthop", "rewrite", "output"]);
    expect(flowActions[run.records[1]?.code ?? 0]).toBe("forward");
    expect(run.frame.toHex()).toBe(pipeline.run(hook, tcp({ ...V4, flags: TCP_ACK })).data.toHex());
    pipeline.decide(tuple, { operation: "delete" });
    pipeline.decide(tuple, { action: "drop" });
    const denied = traceQuietly(hook, tcp({ ...V4, flags: TCP_SYN }));
    expect(stages(denied)).toEqual(["interface", "flow", "drop"]);
    expect(denied.records[1]?.code).toBe(FlowActionValue.drop);
    expect(dropReasons[denied.records[2]?.code ?? 0]).toBe("policy-deny");
  });

  test("makes no hold of a new flow, keeps its packet, and goes on as if it were allowed", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY | INTERFACE_SOURCE_CHECK });
    pipeline.addAddress(1, V4.source, 1);
    pipeline.controllerStarts();
    const frame = tcp({ ...V4, flags: TCP_SYN });
    const run = traceQuietly(hook, frame);
    expect(stages(run)).toEqual(["interface", "route", "flow-miss", "nexthop", "rewrite", "output"]);
    expect(run.records[2]?.frame?.toHex()).toBe(frame.toHex());
    expect(pipeline.flow({ ...V4, protocol: 6 })).toBeUndefined();
  });

  test("says that nobody decides where no controller listens", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
    expect(stages(expectSameAsLive(hook, udp(V4)))).toEqual(["interface", "route", "drop"]);
  });

  test("traps nothing, and says what for", () => {
    pipeline.controllerStarts();
    const run = traceQuietly(hook, udp({ ...V4, ttl: 1 }));
    expect(stages(run)).toEqual(["interface", "drop", "trap"]);
    expect(trapReasons[run.records[2]?.code ?? 0]).toBe("ttl-expired");
  });

  test("learns nothing", () => {
    pipeline.addInterface(1, { flags: INTERFACE_LEARN_MAC | INTERFACE_BRIDGE_LEARN });
    pipeline.controllerStarts();
    expect(stages(traceQuietly(hook, udp(V4)))).toEqual([
      "interface",
      "learn",
      "learn",
      "route",
      "nexthop",
      "rewrite",
      "output",
    ]);
    expect(stages(traceQuietly(hook, udp({ ...V4, from: MAC_B, to: "02:00:00:00:0f:0f" })))).toContain("drop");
  });

  test("takes nothing out of a token bucket, and says when it is empty", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICE_RECEIVED });
    const frame = udp(V4);
    setPolicer(pipeline, 1, POLICE_RECEIVED, { bitsPerSecond: 8, burstBytes: 2 * frame.length });
    for (let i = 0; i < 4; i++) expect(stages(traceQuietly(hook, frame))).toContain("output");
    for (let i = 0; i < 2; i++) expect(pipeline.run(hook, frame).verdict).toBe("out");
    expect(stages(traceQuietly(hook, frame))).toEqual(["interface", "drop"]);
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
  });

  test("keeps every copy of a flood, and sends none", () => {
    setGroup(pipeline, FLOOD, "flood", 200, [{ nexthop: 1 }, { nexthop: 2 }, { nexthop: 7 }]);
    pipeline.addBridgeEntry(1, BROADCAST, FLOOD);
    pipeline.addInterface(7, { mac: "02:00:00:00:07:01" });
    const frame = arp({ sender: V4.source, target: "10.97.0.9" });
    const run = traceQuietly(hook, frame);
    pipeline.map("fdb").delete(concat([1, 0, 0, 0], macBytes(BROADCAST), [0, 0]));
    if (hook === "xdp") {
      expect(stages(run).at(-1)).toBe("hand-over");
      return;
    }
    expect(stages(run)).toEqual(["interface", "bridge", "nexthop", "member", "member", "copy", "member", "copy"]);
    const copies = run.records.filter(({ stage }) => stage === "copy");
    expect(copies.map(({ outInterface }) => outInterface)).toEqual([2, 7]);
    for (const copy of copies) expect(copy.frame?.toHex()).toBe(frame.toHex());
  });
});
