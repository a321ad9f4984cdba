// SPDX-License-Identifier: Apache-2.0
/** `weir trace` and `POST /v1/trace` of a running `weir serve`: packets that scapy built, beside what the wire shows. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import type { TraceAnswer } from "../../server/trace_schemas.ts";
import { CommandLab, podsState } from "./cli_support.ts";
import { sendFrames } from "./overlay_support.ts";
import { Capture } from "./pods_capture.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const { a, b, c } = pods;
type PodName = keyof typeof pods;

interface Sent {
  readonly what: string;
  /** The pod that sends it. */
  readonly from: PodName;
  readonly packet: string;
  readonly verdict: string;
  readonly reason?: string;
  readonly stages: readonly string[];
  /** What leaves, in order: the pod that gets it, the packet, and the mirror that it is a copy for. */
  readonly out: readonly { readonly to: PodName; readonly packet: string; readonly mirror?: string }[];
}

const words = `
GW = "00:00:5e:00:01:00"
def up(pod_mac, ip): return Ether(src=pod_mac, dst=GW)/ip
def down(pod_mac, ip): return Ether(src=GW, dst=pod_mac)/ip
def v4(ttl, src="${a.ipv4}", dst="${b.ipv4}"): return IP(src=src, dst=dst, ttl=ttl, id=7)
def v6(hlim, src="${a.ipv6}", dst="${b.ipv6}"): return IPv6(src=src, dst=dst, hlim=hlim)
dns = UDP(sport=5000, dport=53)/b"known bytes"
ask = ICMP(type=8, id=3, seq=1)/b"ping"
answer = ICMP(type=0, id=3, seq=1)/b"ping"
`;

/** What the packets carry, in hexadecimal digits. */
const PAYLOADS = ["known bytes", "ping"].map((text) => Buffer.from(text).toString("hex"));

const LISTENER = `
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
print("ready", flush=True)
while True: s.recv(2048)
`;

const copyOf = (packet: string) => ({ to: "c", packet, mirror: "tap" }) as const;
const copied = ["mirror", "copy"];
const decided = ["flow-miss", "policy"];
const routed = ["nexthop", "rewrite", "output"];
const udp4 = `up("${a.mac}", v4(64)/dns)`;
const udp6 = `up("${a.mac}", v6(64)/dns)`;
const echo = `up("${a.mac}", v4(64, dst="169.254.1.1")/ask)`;
const arp = `Ether(src="${a.mac}", dst="ff:ff:ff:ff:ff:ff")/ARP(hwsrc="${a.mac}", psrc="${a.ipv4}", pdst="${b.ipv4}")`;
const strange = `up("${a.mac}", v4(64, src="192.0.2.1")/dns)`;

const cases: readonly Sent[] = [
  {
    what: "an IPv4 packet that policy allows",
    from: "a",
    packet: udp4,
    verdict: "forward",
    stages: ["interface", ...copied, "route", ...decided, ...routed],
    out: [copyOf(udp4), { to: "b", packet: `down("${b.mac}", v4(63)/dns)` }],
  },
  {
    what: "the same over IPv6",
    from: "a",
    packet: udp6,
    verdict: "forward",
    stages: ["interface", ...copied, "route", ...decided, ...routed],
    out: [copyOf(udp6), { to: "b", packet: `down("${b.mac}", v6(63)/dns)` }],
  },
  {
    what: "a packet that policy denies",
    from: "c",
    packet: `up("${c.mac}", v4(64, src="${c.ipv4}")/dns)`,
    verdict: "drop",
    reason: "policy-deny",
    stages: ["interface", "route", ...decided],
    out: [],
  },
  {
    what: "an echo request to the gateway",
    from: "a",
    packet: echo,
    verdict: "answer",
    stages: ["interface", ...copied, "answer", "output"],
    out: [copyOf(echo), { to: "a", packet: `down("${a.mac}", v4(64, src="169.254.1.1", dst="${a.ipv4}")/answer)` }],
  },
  {
    what: "an ARP question for another pod",
    from: "a",
    packet: arp,
    verdict: "answer",
    stages: ["interface", ...copied, "answer", "output"],
    out: [
      copyOf(arp),
      {
        to: "a",
        packet: `Ether(src="${b.mac}", dst="${a.mac}")/ARP(op=2, hwsrc="${b.mac}", psrc="${b.ipv4}", hwdst="${a.mac}", pdst="${a.ipv4}")`,
      },
    ],
  },
  {
    what: "a packet from an address that is not the pod's",
    from: "a",
    packet: strange,
    verdict: "drop",
    reason: "source-mismatch",
    stages: ["interface", ...copied, "drop"],
    out: [copyOf(strange)],
  },
];

const state = (
  lab: CommandLab,
  hook: string,
) => `${podsState(lab.lab).replaceAll("role: workload", `role: workload, hook: ${hook}`)}
mirrors:
  - { name: tap, via: ${c.device}, source: { interface: ${a.device}, direction: egress } }
`;

describe.each(["tc", "xdp"] as const)("weir trace on the %s hook", (hook) => {
  let lab: CommandLab;
  let built: Record<string, Uint8Array>;
  const hexOf = (text: string): string => (built[text] ?? new Uint8Array()).toHex();
  /** What the answer's outputs have to be. */
  const outputsOf = ({ out }: Sent) =>
    out.map(({ to, packet, mirror }) => {
      const { device } = pods[to];
      return { interface: device, device, bytes: hexOf(packet), ...(mirror === undefined ? {} : { mirror }) };
    });

  beforeAll(async () => {
    const texts = cases.flatMap(({ packet, out }) => [packet, ...out.map((one) => one.packet)]);
    built = scapyPackets(Object.fromEntries(texts.map((text) => [text, text])), words);
    lab = new CommandLab("sources", `wr${hook}${process.pid}`);
    // Without it the pod answers what arrives with an error that quotes it.
    await lab.lab.spawn("b", ["python3", "-c", LISTENER]).waitForOutput(/ready/);
    await lab.serve("-c", lab.state(state(lab, hook)));
  }, SCAPY_TIMEOUT_MS);
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test.each(cases.map((one) => [one.what, one] as const))(
    "tells of %s",
    async (_, one) => {
      const device = pods[one.from].device;
      const args = ["trace", "--interface", device, "--packet", hexOf(one.packet)];
      const answer = await lab.json<TraceAnswer>(...args);
      const stages = answer.steps.map(({ stage }) => stage);
      expect(stages.slice(stages.indexOf("hand-over") + 1)).toEqual([...one.stages]);
      const { verdict, reason } = one;
      expect(answer).toMatchObject({ hook, verdict, ...(reason === undefined ? {} : { reason }) });
      expect(answer.outputs).toEqual(outputsOf(one));
      expect(await posted({ interface: device, packet: hexOf(one.packet) })).toEqual({ status: 200, body: answer });
      expect(await lab.weir(...args)).toEqual({ status: 0, stderr: "", stdout: expect.stringContaining(textOf(one)) });
      await expectOnWire(one);
    },
    30_000,
  );

  test("tells of a packet of fields: what the pod would send, and the rule that allows it", async () => {
    const fields = { interface: a.device, dst: b.ipv4, proto: "tcp", dport: 8080 };
    const args = ["--interface", a.device, "--dst", b.ipv4, "--proto", "tcp", "--dport", "8080"];
    const answer = await lab.json<TraceAnswer>("trace", ...args);
    expect(answer.steps.find(({ stage }) => stage === "policy")).toMatchObject({
      action: "allow",
      direction: "ingress",
      policy: "web",
      rule: "friends",
    });
    expect(await posted(fields)).toEqual({ status: 200, body: answer });
    expect((await lab.weir("trace", ...args)).stdout).toMatch(/^policy {7}allow, ingress, by web\/friends$/m);
  });

  test("names what is wrong with a packet, in one line and by its field", async () => {
    const wrong: [string[], object, number, string][] = [
      [["--interface", "v9", "--dst", b.ipv4], { interface: "v9", dst: b.ipv4 }, 422, "/interface"],
      [["--interface", a.device, "--packet", "00"], { interface: a.device, packet: "00" }, 422, "/packet"],
      [["--interface", a.device, "--dst", "10.0.0"], { interface: a.device, dst: "10.0.0" }, 400, "/dst"],
    ];
    for (const [args, body, status, field] of wrong) {
      const answer = await posted(body);
      expect(answer).toMatchObject({ status, body: { field } });
      const { detail } = answer.body as { detail: string };
      expect(await lab.weir("trace", ...args)).toEqual({ status: 1, stdout: "", stderr: `weir: ${detail}\n` });
    }
  });

  async function posted(body: object): Promise<{ status: number; body: unknown }> {
    const response = await fetch("http://weir/v1/trace", {
      unix: lab.socket,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  /** The end of what the command prints. */
  function textOf(one: Sent): string {
    const lines = [`verdict      ${one.verdict}${one.reason === undefined ? "" : `: ${one.reason}`}`];
    for (const { interface: name, bytes, mirror } of outputsOf(one)) {
      lines.push(
        `out          ${name}, ${bytes.length / 2} bytes${mirror === undefined ? "" : `, a copy for ${mirror}`}`,
      );
      for (let at = 0; at < bytes.length; at += 64) lines.push(`             ${bytes.slice(at, at + 64)}`);
    }
    return `${lines.join("\n")}\n`;
  }

  /** The pod sends it: what was told to leave arrives, and nothing else that comes of it. */
  async function expectOnWire({ from, packet, out }: Sent): Promise<void> {
    const names = Object.keys(pods) as PodName[];
    const expected = (name: PodName) => out.filter(({ to }) => to === name).map((one) => hexOf(one.packet));
    using stack = new DisposableStack();
    const captures = new Map<PodName, Capture>();
    for (const name of names) captures.set(name, stack.use(await Capture.start(lab.lab, name, "eth0")));
    const sent = hexOf(packet);
    // Pods and gateway ask each other for neighbours besides, and the sender sees what it sends.
    const marks = [...PAYLOADS, ...out.map((one) => hexOf(one.packet))];
    const arrived = (name: PodName) =>
      (captures.get(name)?.frames() ?? [])
        .map((frame) => frame.toHex())
        .filter((hex) => marks.some((mark) => hex.includes(mark)) && !(name === from && hex === sent));
    sendFrames(lab.lab, from, "eth0", [Buffer.from(sent, "hex")]);
    const complete = () => names.every((name) => arrived(name).length >= expected(name).length);
    await waitFor(complete, { timeoutMs: 3000 }).catch(() => {});
    for (const capture of captures.values()) await capture.stop();
    for (const name of names) expect([name, arrived(name)]).toEqual([name, expected(name)]);
  }
});
