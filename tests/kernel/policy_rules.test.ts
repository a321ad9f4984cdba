// SPDX-License-Identifier: Apache-2.0
/** What each word of a rule means on the wire, between the stacks of pods; and that there is no way around policy. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { DataPlaneEvent } from "../../sdk/index.ts";
import { NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { attachTc, CollectionSpec } from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { GATEWAY_MAC, udp } from "./pipeline_packets.ts";
import { Capture } from "./pods_capture.ts";
import { hooks, type PodName, PodsNode } from "./pods_node.ts";

const { a, b, c } = pods;

/** `PROTO ADDRESS SPORT DPORT…`: one packet each; of ICMP the ports are type and code, of other numbers nothing. */
const SEND = `
import socket, struct, sys
for word in sys.argv[1:]:
    proto, address, first, second = word.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if proto in ("udp", "tcp"):
        s = socket.socket(family, socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", int(first)))
        s.setblocking(False)
        try: s.connect((address, int(second)))
        except BlockingIOError: pass
        if proto == "udp": s.send(b"x")
        continue
    number = {"icmp": 1, "icmpv6": 58, "sctp": 132}.get(proto) or int(proto)
    s = socket.socket(family, socket.SOCK_RAW, number)
    body = struct.pack("!BBHHH", int(first), int(second), 0, 77, 1)
    if number == 1:
        total = sum(struct.unpack("!4H", body)); total = (total & 0xffff) + (total >> 16)
        body = body[:2] + struct.pack("!H", ~total & 0xffff) + body[4:]
    if number == 132: body = struct.pack("!HHIIBBH", int(first), int(second), 0, 0, 1, 0, 4)
    s.sendto(body, (address, 0))
`;

/** `HEX…`: frames, out of a device as they are. */
const SEND_FRAMES = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]: s.send(bytes.fromhex(frame))
`;

const ingress = { direction: "ingress" } as const;
const first = {
  name: "first",
  default: { ingress: "deny", egress: "allow" },
  rules: [
    { ...ingress, name: "told", action: "log", proto: "udp", ports: [1000] },
    { ...ingress, name: "over", action: "pass", proto: "udp", ports: ["2000-2010"] },
    { ...ingress, name: "never", action: "allow", proto: "udp", ports: [2005] },
    {
      ...ingress,
      name: "ranges",
      action: "allow",
      proto: "udp",
      ports: [1000, "3000-3001"],
      sourcePorts: [600, "700-710"],
      from: ["10.97.0.0/16"],
      except: [`${c.ipv4}/32`],
    },
    { ...ingress, name: "some-icmp", action: "allow", proto: "icmp", types: [8, "13/0"] },
    { ...ingress, name: "echo-6", action: "allow", proto: "icmpv6", types: [128] },
    { ...ingress, name: "sctp", action: "allow", proto: "sctp", ports: [9] },
    { ...ingress, name: "by-number", action: "allow", proto: 200 },
    { ...ingress, name: "shared", action: "allow", proto: "tcp", from: [{ set: "friends" }] },
  ],
};
const second = {
  name: "second",
  rules: [{ ...ingress, name: "behind", action: "allow", proto: "udp", ports: [2005], from: [{ set: "friends" }] }],
};
const out = {
  name: "out",
  default: { ingress: "deny", egress: "allow" },
  rules: [{ name: "not-out", action: "deny", direction: "egress", proto: "udp", ports: [3001] }],
};
const friends = { name: "friends", prefixes: [`${a.ipv4}/32`] };

/** Packets, and the rule of b that decides them; "": they do not arrive. */
const SENT: readonly (readonly [from: PodName, packet: string, rule: string, arrives: boolean])[] = [
  ["a", `udp/${b.ipv4}/700/1000`, "ranges", true],
  ["a", `udp/${b.ipv4}/599/1000`, "default", false],
  ["a", `udp/${b.ipv4}/600/3000`, "ranges", true],
  ["a", `udp/${b.ipv4}/711/3000`, "default", false],
  ["a", `udp/${b.ipv4}/710/3002`, "default", false],
  ["c", `udp/${b.ipv4}/700/3000`, "default", false],
  ["a", `udp/${b.ipv6}/700/3000`, "default", false],
  // The policy of a: what goes out of it is its own business too.
  ["a", `udp/${b.ipv4}/701/3001`, "not-out", false],
  ["a", `udp/${b.ipv4}/700/2005`, "behind", true],
  ["c", `udp/${b.ipv4}/700/2005`, "default", false],
  ["a", `udp/${b.ipv4}/700/2006`, "default", false],
  ["a", `icmp/${b.ipv4}/8/0`, "some-icmp", true],
  ["a", `icmp/${b.ipv4}/13/0`, "some-icmp", true],
  ["a", `icmp/${b.ipv4}/15/0`, "default", false],
  ["a", `icmpv6/${b.ipv6}/128/0`, "echo-6", true],
  ["a", `icmpv6/${b.ipv6}/139/0`, "default", false],
  ["a", `sctp/${b.ipv4}/5/9`, "sctp", true],
  ["a", `sctp/${b.ipv4}/5/10`, "default", false],
  ["a", `200/${b.ipv4}/0/0`, "by-number", true],
  ["a", `201/${b.ipv4}/0/0`, "default", false],
  ["a", `tcp/${b.ipv4}/5000/80`, "shared", true],
  ["c", `tcp/${b.ipv4}/5000/80`, "default", false],
];

const FIELDS = [
  ...["ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "ip.proto", "ipv6.nxt"],
  ...["udp", "tcp", "sctp"].flatMap((name) => [`${name}.srcport`, `${name}.dstport`]),
  ...["icmp", "icmpv6"].flatMap((name) => [`${name}.type`, `${name}.code`]),
];
const NAMES: Readonly<Record<string, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp" };

/** A line of tshark, as the packet stands in the list. */
function asSent(line: string): string {
  const [src4, src6, dst4, dst6, proto, next, ...numbers] = line.split("\t");
  const number = (proto || next) ?? "";
  const from = Object.entries(pods).find(([, pod]) => pod.ipv4 === src4 || pod.ipv6 === src6)?.[0] ?? "?";
  const [one = "0", two = "0"] = numbers.filter((text) => text !== "");
  return `${from} ${NAMES[number] ?? number}/${dst4 || dst6}/${one}/${two}`;
}

setDefaultTimeout(30_000);

describe.each(hooks)("policy on the %s hook", (hook) => {
  let node: PodsNode;

  beforeAll(async () => {
    node = await PodsNode.start({ name: "rules", hook });
    const fields = { a: { policies: ["out"] }, b: { policies: ["first", "second"] } };
    await node.dp.apply(node.document(fields, { policies: [first, second, out], sets: [friends] }));
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test("lets through what rules say, in their order, of both interfaces; counts it, and tells of it", async () => {
    const told: DataPlaneEvent[] = [];
    const abort = new AbortController();
    const events = node.dp.events(["log"], { signal: abort.signal });
    const reading = (async () => {
      for await (const event of events) told.push(event);
    })();
    using capture = await Capture.start(node.lab, "b", "eth0", `ether dst ${b.mac}`);
    for (const pod of ["a", "c"] as const) {
      await node.python(pod, SEND, ...SENT.filter(([from]) => from === pod).map(([, packet]) => packet));
    }
    await waitFor(() => told.length >= 2);
    await Bun.sleep(200);
    await capture.stop();
    abort.abort();
    await reading;

    const arrived = new Set(capture.tshark("-T", "fields", ...FIELDS.flatMap((field) => ["-e", field])).map(asSent));
    expect(SENT.filter(([from, packet]) => arrived.has(`${from} ${packet}`))).toEqual(
      SENT.filter(([, , , yes]) => yes),
    );

    const ofFlows = SENT.flatMap(([from, packet]) => {
      const [proto = "", dst = "", sport, dport] = packet.split("/");
      if (proto.startsWith("icmp")) return [];
      const src = dst.includes(":") ? pods[from].ipv6 : pods[from].ipv4;
      const flow = node.dp.flows.get({ vrf: "red", proto, src, dst, sport: Number(sport), dport: Number(dport) });
      return [`${from} ${packet} ${flow?.rule} ${flow?.action === "forward"}`];
    });
    expect(ofFlows).toEqual(SENT.filter(([, packet]) => !packet.startsWith("icmp")).map((sent) => sent.join(" ")));

    const counted = new Map<string, number>([
      ["told", 2],
      ["over", 3],
    ]);
    for (const [, , rule] of SENT) if (rule !== "default") counted.set(rule, (counted.get(rule) ?? 0) + 1);
    const hits = ["first", "second", "out"].flatMap((name) => {
      const status = node.dp.tables.policies.get(name)?.status as { rules: Record<string, number> } | undefined;
      return Object.entries(status?.rules ?? {}).filter(([rule, count]) => rule !== "default" && count > 0);
    });
    expect(Object.fromEntries(hits)).toEqual(Object.fromEntries(counted));
    expect(told).toMatchObject([
      { interface: "va", policy: "first", rule: "told", flow: { sport: 700, dport: 1000 } },
      { interface: "va", policy: "first", rule: "told", flow: { sport: 599, dport: 1000 } },
    ]);
  });

  test("holds for what reaches the device without its XDP program", async () => {
    const ip = (namespace: string, ...argv: string[]) =>
      expect(node.lab.execSync(namespace, ["ip", ...argv])).toMatchObject({ status: 0 });
    ip("a", "link", "add", "side0", "type", "veth", "peer", "name", "side1", "netns", node.lab.netns(NODE));
    ip("a", "link", "set", "side0", "up");
    ip(NODE, "link", "set", "side1", "up");
    using netlink = node.lab.netlink(NODE);
    const index = (device: string) => netlink.link(device)?.index ?? 0;
    const object = compileObject("hand_on", `-DTO=${index(a.device)}`);
    using collection = CollectionSpec.fromBytes(object).load();
    using _ = node.lab.run(NODE, () =>
      attachTc({ program: collection.program("hand_on"), ifindex: index("side1"), direction: "ingress" }),
    );
    using capture = await Capture.start(node.lab, "b", "eth0", `udp and ether dst ${b.mac}`);
    const denied = node.dropped(a.device, "policy-deny");
    const frames = [3000, 3002, 3001].map((destinationPort) =>
      udp({
        from: a.mac,
        to: GATEWAY_MAC,
        source: a.ipv4,
        destination: b.ipv4,
        sourcePort: 705,
        destinationPort,
      }).toHex(),
    );
    await node.python("a", SEND_FRAMES, "side0", ...frames, ...frames);
    await waitFor(() => node.dropped(a.device, "policy-deny") - denied >= 4);
    await Bun.sleep(100);
    await capture.stop();
    expect(capture.tshark("-T", "fields", "-e", "udp.dstport")).toEqual(["3000", "3000"]);
    expect(node.dropped(a.device, "policy-deny") - denied).toBe(4);
    ip("a", "link", "delete", "side0");
  });
});
