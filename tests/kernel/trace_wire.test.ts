// SPDX-License-Identifier: Apache-2.0
/** What a trace says is what then happens on the wire; and a trace itself is not to be seen anywhere. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buildFrame, type PacketFields } from "../../sdk/dataplane/trace/frame.ts";
import { nodes } from "../../sdk/lab/index.ts";
import { scapy } from "./overlay_support.ts";
import { TraceLab } from "./trace_lab.ts";

const { n1, n2 } = nodes;
const [a1, b1] = n1.pods;
const [a2] = n2.pods;
const GATEWAY = "00:00:5e:00:01:00";
const UNKNOWN = "02:00:00:00:77:77";

/** A packet as pod a1 sends it. */
const fromPod = (fields: PacketFields): Uint8Array =>
  buildFrame(fields, { sourceMac: a1.mac, destinationMac: GATEWAY, source4: a1.ipv4, source6: a1.ipv6 });

/** The same, out of a tunnel from the other node. */
const outOfTunnel = `Ether(src="${n2.fabricMac}",dst="${n1.fabricMac}")/IP(src="${n2.underlay4}",dst="${n1.underlay4}")/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77)/Ether(src="${GATEWAY}",dst="${GATEWAY}")/IP(src="${a2.ipv4}",dst="${b1.ipv4}")/UDP(sport=7000,dport=7000)/b"in a tunnel"`;

interface Case {
  readonly what: string;
  readonly from: string;
  readonly frame: Uint8Array;
  readonly stages: readonly string[];
  /** Interfaces that it leaves by. */
  readonly out: readonly string[];
}

const udp = { proto: "udp", sport: 7001, dport: 7777, size: 100 } as const;
const routed = ["nexthop", "rewrite", "output"];
const tunnelled = ["nexthop", "rewrite", "encapsulate", "output"];
const decided = ["flow-miss", "policy"];

const sent: readonly Case[] = [
  {
    what: "goes to a pod whose policy allows it",
    from: "va1",
    frame: fromPod({ dst: b1.ipv4, ...udp }),
    stages: ["interface", "route", ...decided, ...routed],
    out: ["vb1"],
  },
  {
    what: "goes there on an established flow",
    from: "va1",
    frame: fromPod({ dst: b1.ipv4, ...udp, ttl: 9 }),
    stages: ["interface", "route", "flow", ...routed],
    out: ["vb1"],
  },
  {
    what: "goes to a pod over IPv6",
    from: "va1",
    frame: fromPod({ dst: b1.ipv6, ...udp, dscp: 46 }),
    stages: ["interface", "route", ...decided, ...routed],
    out: ["vb1"],
  },
  {
    what: "goes through a VXLAN tunnel",
    from: "va1",
    frame: fromPod({ dst: a2.ipv4, ...udp, dscp: 10 }),
    stages: ["interface", "route", ...tunnelled],
    out: ["f0"],
  },
  {
    what: "goes through an MPLS over UDP tunnel",
    from: "va1",
    frame: fromPod({ dst: a2.ipv6, ...udp }),
    stages: ["interface", "route", ...tunnelled],
    out: ["f0"],
  },
  ...[1, 2, 3].map((sport) => ({
    what: `goes by the member that an ecmp next hop chooses, source port ${sport}`,
    from: "va1",
    frame: fromPod({ dst: "10.50.0.1", ...udp, sport }),
    stages: ["interface", "route", "ecmp", ...tunnelled],
    out: ["f0"],
  })),
  {
    what: "is bridged into a tunnel",
    from: "va1",
    frame: fromPod({ dst: "10.1.1.1", ...udp, dstMac: UNKNOWN }),
    stages: ["interface", "bridge", "nexthop", "encapsulate", "output"],
    out: ["f0"],
  },
  {
    what: "comes from a VLAN sub-interface",
    from: "va1.10",
    frame: fromPod({ src: "10.99.0.1", dst: b1.ipv4, ...udp, vlan: 10 }),
    stages: ["interface", "route", ...decided, ...routed],
    out: ["vb1"],
  },
  {
    what: "is an echo to the gateway",
    from: "va1",
    frame: fromPod({ dst: "169.254.1.1" }),
    stages: ["interface", "answer", "output"],
    out: ["va1"],
  },
  {
    what: "is flooded",
    from: "va1",
    frame: fromPod({ dst: "255.255.255.255", ...udp }),
    stages: ["interface", "bridge", "nexthop", "member", "member", "copy", "member", "encapsulate", "copy"],
    out: ["vb1", "f0"],
  },
];

const [tunnelFrame = new Uint8Array()] = scapy(outOfTunnel);
const received: Case = {
  what: "comes out of a tunnel",
  from: "f0",
  frame: tunnelFrame,
  stages: ["interface", "decapsulate", "route", ...decided, ...routed],
  out: ["vb1"],
};

/** What is not sent on: verdict and reason, and the drop counter that then counts it. */
const stopped: readonly (readonly [what: string, frame: Uint8Array, verdict: string, reason: string])[] = [
  ["no policy allows it", fromPod({ dst: b1.ipv4, proto: "udp", dport: 53 }), "drop", "policy-deny"],
  ["policy rejects it", fromPod({ dst: b1.ipv4, proto: "tcp", dport: 22 }), "reject", "policy-deny"],
  ["there is no route", fromPod({ dst: "10.200.0.1" }), "drop", "no-route"],
  ["its route says so", fromPod({ dst: "10.50.9.1" }), "drop", "discard"],
  ["its TTL runs out", fromPod({ dst: a2.ipv4, ttl: 1 }), "drop", "ttl-expired"],
  ["nobody has its destination MAC", fromPod({ dst: b1.ipv4, dstMac: "02:00:00:00:0f:0f" }), "drop", "unknown-unicast"],
  ["it is not from the pod's address", fromPod({ src: "1.2.3.4", dst: b1.ipv4 }), "drop", "source-mismatch"],
];

/** Of all that va1 sends into a tunnel, of all that it gets to pod b1, and of what a rule takes. */
const mirrors = [
  { name: "tap", via: "vxlan", vni: 999, source: { interface: "va1", direction: "egress" }, truncateBytes: 90 },
  { name: "sent", via: "vb1", source: { interface: "va1", direction: "ingress" } },
  { name: "ruled", via: "udp", label: 200 },
];
const mirrored = {
  name: "web",
  default: { ingress: "deny", egress: "allow" },
  rules: [
    { name: "voice", action: "allow", direction: "ingress", proto: "udp", ports: ["7000-7999"], mirror: "ruled" },
    { name: "refused", action: "reject", direction: "ingress", proto: "tcp", ports: [22], mirror: "ruled" },
  ],
};
const copy = ["mirror", "encapsulate", "copy"];
const copied = [
  {
    what: "of what an interface sends and of what it gets",
    frame: fromPod({ dst: "169.254.1.1", size: 60 }),
    stages: ["interface", ...copy, "answer", "mirror", "copy", "output"],
    out: ["f0 tap", "vb1 sent", "va1 "],
    verdict: "answer",
  },
  {
    what: "of a flow that a rule wants copied: its first packet",
    frame: fromPod({ dst: b1.ipv4, ...udp, dport: 7900 }),
    stages: ["interface", ...copy, "route", "flow-miss", "policy", ...copy, ...routed],
    out: ["f0 tap", "f0 ruled", "vb1 "],
    verdict: "forward",
  },
  {
    what: "of such a flow: the next one",
    frame: fromPod({ dst: b1.ipv4, ...udp, dport: 7900, ttl: 7 }),
    stages: ["interface", ...copy, "route", "flow", ...copy, ...routed],
    out: ["f0 tap", "f0 ruled", "vb1 "],
    verdict: "forward",
  },
  {
    what: "of a packet that has no route",
    frame: fromPod({ dst: "10.200.0.1" }),
    stages: ["interface", ...copy, "route", "drop", "trap"],
    out: ["f0 tap"],
    verdict: "drop",
  },
] as const;

describe.each(["tc", "xdp"] as const)("a trace on the %s hook", (hook) => {
  let lab: TraceLab;
  beforeAll(async () => {
    lab = await TraceLab.start(hook);
  }, 60_000);
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });
  const cases = [...sent, received];

  test("changes no table, and sends nothing", async () => {
    await lab.expectUnchanged(() => {
      for (const { from, frame } of cases) lab.trace(from, frame);
      for (const [, frame] of stopped) lab.trace("va1", frame);
    });
  }, 60_000);

  test.each(cases.map((one) => [one.what, one] as const))(
    "tells the bytes of a packet that %s",
    async (_, one) => {
      const trace = lab.trace(one.from, one.frame);
      const stages = trace.steps.map(({ stage }) => stage);
      // What XDP cannot do itself begins anew on TC.
      expect(stages.slice(stages.indexOf("hand-over") + 1)).toEqual([...one.stages] as typeof stages);
      for (const step of trace.steps) {
        if (step.stage === "encapsulate") expect(step).toMatchObject({ local: n1.underlay4, remote: n2.underlay4 });
      }
      expect(trace.hook).toBe(hook);
      expect(trace.outputs.map((output) => output.interface)).toEqual([...one.out]);
      expect(trace.verdict).toBe(one.stages.includes("answer") ? "answer" : "forward");
      await lab.expectOnWire(one.from, one.frame, trace);
    },
    30_000,
  );

  test("tells of the flows that those packets made", () => {
    const [first] = sent;
    if (first === undefined) throw new Error("no case");
    const { steps, outputs } = lab.trace(first.from, first.frame);
    expect(steps.map(({ stage }) => stage)).toContain("flow");
    expect(steps.find(({ stage }) => stage === "flow")).toMatchObject({
      action: "forward",
      nexthop: "vb1",
      policy: "web",
      rule: "voice",
      key: { vrf: "red", proto: "udp", src: a1.ipv4, dport: 7777 },
    });
    expect(outputs).toHaveLength(1);
  });

  test.each(stopped)(
    "tells why a packet goes nowhere: %s",
    async (_, frame, verdict, reason) => {
      expect(lab.trace("va1", frame)).toMatchObject({ verdict, reason, outputs: [] });
      await lab.expectDropped("va1", frame, reason);
    },
    30_000,
  );

  describe("with mirrors", () => {
    beforeAll(() => lab.apply({ mirrors, policies: [mirrored] }), 30_000);
    afterAll(() => lab.apply({}), 30_000);

    test.each(copied.map((one) => [one.what, one] as const))(
      "tells the bytes of the copies %s",
      async (_, { frame, stages, out, verdict }) => {
        const trace = lab.trace("va1", frame);
        const told = trace.steps.map(({ stage }) => stage);
        expect(told.slice(told.indexOf("hand-over") + 1)).toEqual([...stages] as typeof told);
        expect(trace.outputs.map(({ interface: name, mirror = "" }) => `${name} ${mirror}`)).toEqual([...out]);
        expect(trace.verdict).toBe(verdict);
        await lab.expectOnWire("va1", frame, trace);
      },
      30_000,
    );

    test("cuts copies as their mirror says", () => {
      const { outputs } = lab.trace("va1", fromPod({ dst: "169.254.1.1", size: 500 }));
      const bytes = (mirror: string) => outputs.find((output) => output.mirror === mirror)?.bytes.byteLength;
      // Ethernet, IPv4, UDP and VXLAN headers in front of the first 90 bytes.
      expect(bytes("tap")).toBe(14 + 20 + 8 + 8 + 90);
      expect(bytes("sent")).toBe(500);
    });

    test("changes no table, and sends nothing", async () => {
      await lab.expectUnchanged(() => {
        for (const { frame } of copied) lab.trace("va1", frame);
      });
    }, 60_000);
  });

  test("builds the packet that the interface's workload would send", () => {
    const { steps, outputs } = lab.trace("va1.10", { dst: b1.ipv4, ...udp });
    expect(steps[0]).toEqual({ stage: "interface", interface: "va1.10", device: "va1", vrf: "blue", vlan: 10 });
    expect(steps[1]).toMatchObject({ stage: "route", vrf: "blue", prefix: "10.97.1.0/24", nexthop: "vb1" });
    const whole = fromPod({ src: "10.99.0.1", dst: b1.ipv4, ...udp, vlan: 10 });
    expect(outputs).toEqual([...lab.trace("va1.10", whole).outputs]);
  });

  test("names what it cannot trace", () => {
    for (const [name, packet, code, field] of [
      ["va9", { dst: b1.ipv4 }, "ENOENT", "/interface"],
      ["va1", new Uint8Array(10), "EMSGSIZE", "/packet"],
      ["va1", new Uint8Array(4000), "EMSGSIZE", "/packet"],
      ["va1", { dst: "10.0.0" }, "EINVAL", "/dst"],
      ["va1", { dst: b1.ipv4, src: b1.ipv6 }, "EINVAL", "/src"],
      ["f0", { dst: b1.ipv4 }, "EINVAL", "/src"],
      ["va1", { dst: b1.ipv4, dport: 80 }, "EINVAL", "/dport"],
    ] as const) {
      expect(() => lab.trace(name, packet)).toThrow(expect.objectContaining({ code, field }));
    }
  });
});
