// SPDX-License-Identifier: Apache-2.0
/** Packets that a controller takes by what they look like. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Packet, PacketMatch, PacketOptions } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { scapy, sendFrames } from "./overlay_support.ts";
import { hooks, PodsNode } from "./pods_node.ts";

const { a, b } = pods;
const LLDP_MAC = "01:80:c2:00:00:0e";

setDefaultTimeout(30_000);

const packet = (source: string, proto: number) =>
  `Ether(src="${a.mac}", dst="00:00:5e:00:01:00")/IP(src="${source}", dst="${b.ipv4}", proto=${proto})/Raw(b"z" * 30)`;

describe.each(hooks)("a declared match on the %s hook", (hook) => {
  let node: PodsNode;
  let handlers = new DisposableStack();
  const document = (rest: object = {}) =>
    node.document(
      { a: { policies: ["open"] }, b: { policies: ["open"] } },
      { policies: [{ name: "open", default: "allow" }], ...rest },
    );

  beforeAll(async () => {
    node = await PodsNode.start({ name: "match", hook });
    await node.dp.apply(document());
  });
  afterEach(() => {
    handlers.dispose();
    handlers = new DisposableStack();
    node.dp.flows.delete({ vrf: "red" });
  });
  afterAll(() => node?.[Symbol.asyncDispose]());

  /** Takes packets. */
  function take(match: PacketMatch, o: PacketOptions = {}): Packet[] {
    const taken: Packet[] = [];
    handlers.use(node.dp.onPacket(match, (packet) => void taken.push({ ...packet, frame: packet.frame.slice() }), o));
    return taken;
  }

  const send = (...frames: readonly Uint8Array[]) => sendFrames(node.lab, "a", "eth0", frames);
  const ping = async (count = 2, timeoutMs = 2000) =>
    (await node.lab.ping("a", b.ipv4, { count, intervalMs: 20, timeoutMs })).received;

  test("punts what is no IP, by its EtherType, and by its MAC", async () => {
    const frames = scapy(
      `Ether(src="${a.mac}", dst="${LLDP_MAC}", type=0x88cc)/Raw(b"lldp" * 16)`,
      `Ether(src="${a.mac}", dst="01:80:c2:00:00:14")/Raw(b"is-is" * 10)`,
    );
    const byType = take({ ethertype: 0x88cc, interface: "va" });
    const byMac = take({ mac: "01:80:c2:00:00:14" });
    take({ ethertype: 0x88cc, interface: "vb" });
    send(...frames);
    await waitFor(() => byType.length === 1 && byMac.length === 1, { what: "both frames" });
    expect(byType).toMatchObject([{ trap: "user", interface: "va", length: frames[0]?.byteLength }]);
    expect([...(byType[0]?.frame ?? [])]).toEqual([...(frames[0] ?? [])]);
  });

  test("takes packets of an established flow too, and gives them back when it is disposed", async () => {
    expect(await ping()).toBe(2);
    const echoes = take({ vrf: "red", proto: "icmp", types: [8], to: [`${b.ipv4}/32`] });
    expect(await ping(2, 300)).toBe(0);
    expect(echoes).toMatchObject([
      { trap: "user", interface: "va", vrf: "red" },
      { trap: "user", interface: "va", vrf: "red" },
    ]);
    handlers.dispose();
    handlers = new DisposableStack();
    expect(await ping()).toBe(2);
  });

  test("copies, and the packets go on; what the handler injects is not matched again", async () => {
    const copies = take({ proto: "icmp", family: 4, action: "copy" });
    expect(await ping(3)).toBe(3);
    await waitFor(() => copies.length === 6, { what: "three requests and three answers" });
    expect(new Set(copies.map(({ interface: from }) => from))).toEqual(new Set(["va", "vb"]));
    handlers.dispose();
    handlers = new DisposableStack();
    let seen = 0;
    handlers.use(
      node.dp.onPacket({ proto: "icmp", from: ["10.97.0.0/16"] }, ({ interface: from, frame }) => {
        seen++;
        node.dp.inject(frame, { receivedFrom: from });
      }),
    );
    expect(await ping(3)).toBe(3);
    expect(seen).toBe(6);
  });

  test("tells ports, prefixes and families apart, and the first that fits decides", async () => {
    const udp = (ip: string, sport: number, dport: number) =>
      `Ether(src="${a.mac}", dst="00:00:5e:00:01:00")/${ip}/UDP(sport=${sport}, dport=${dport})/Raw(b"x" * 20)`;
    const v4 = `IP(src="${a.ipv4}", dst="${b.ipv4}")`;
    const v6 = `IPv6(src="${a.ipv6}", dst="${b.ipv6}")`;
    const first = take({ proto: "udp", ports: [3784, "4000-4010"], from: ["10.97.0.0/16"] });
    const second = take({ proto: "udp", ports: ["4005-5000"] });
    const third = take({ family: 6, sourcePorts: [7], proto: "udp" });
    send(
      ...scapy(
        udp(v4, 9, 3784),
        udp(v4, 9, 4005),
        udp(v4, 9, 4011),
        udp(v6, 7, 4005),
        udp(v6, 7, 5001),
        udp(v6, 8, 5001),
        udp(v4, 7, 5001),
      ),
    );
    await waitFor(() => third.length === 1, { what: "the last one" });
    const port = ({ frame }: Packet) =>
      ((frame[frame[12] === 0x86 ? 56 : 36] ?? 0) << 8) + (frame[frame[12] === 0x86 ? 57 : 37] ?? 0);
    expect([first.map(port), second.map(port), third.map(port)]).toEqual([[3784, 4005], [4011, 4005], [5001]]);
  });

  test("keeps to its rate, takes no forged source, and names what comes later", async () => {
    const limited = take({ ethertype: 0x88b5 }, { ratePerSecond: 3 });
    const before = node.dropped("va", "trap-limit");
    const [own, forgedFrame, honest, later254] = scapy(
      `Ether(src="${a.mac}", dst="${b.mac}", type=0x88b5)/Raw(b"y" * 50)`,
      packet("10.97.0.99", 253),
      packet(a.ipv4, 253),
      packet(a.ipv4, 254),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    send(...Array.from({ length: 10 }, () => own));
    await waitFor(() => node.dropped("va", "trap-limit") >= before + 7 && limited.length === 3, { what: "the limit" });

    const forged = take({ proto: 253 });
    const later = take({ proto: 254, vrf: "blue", interface: "va" });
    const mismatches = node.dropped("va", "source-mismatch");
    send(forgedFrame, honest);
    await waitFor(() => forged.length === 1, { what: "the honest one" });
    expect(node.dropped("va", "source-mismatch")).toBe(mismatches + 1);
    await node.dp.apply(
      document({
        vrfs: [{ name: "red" }, { name: "blue" }],
        interfaces: [{ ...(document() as { interfaces: object[] }).interfaces[0], vrf: "blue" }],
      }),
    );
    send(later254);
    await waitFor(() => later.length === 1, { what: "the packet of the new VRF" });
    expect(later).toMatchObject([{ vrf: "blue" }]);
    await node.dp.apply(document());
  });

  test("of a trap takes its packets, and those of others are answered as without it", async () => {
    const others = take({ trap: "ttl-expired", proto: "udp" });
    const { output } = await node.lab.ping("a", b.ipv4, { ttl: 1, timeoutMs: 300 });
    expect(output).toMatch(/Time to live exceeded/);
    expect(others).toEqual([]);
    const echoes = take({ trap: "ttl-expired", proto: "icmp", from: [`${a.ipv4}/32`] });
    expect((await node.lab.ping("a", b.ipv4, { ttl: 1, timeoutMs: 300 })).output).not.toMatch(/exceeded/);
    await waitFor(() => echoes.length > 0, { what: "the packet" });
  });

  test.each<[string, unknown, RegExp]>([
    ["nothing", {}, /neither a trap nor what packets look like/],
    ["no packet", { action: "copy" }, /neither a trap/],
    ["what becomes of a trap's packets", { trap: "dhcp", action: "copy" }, /action does not go with trap/],
    ["ports of GRE", { proto: "gre", ports: [1] }, /has no ports/],
    ["no port", { proto: "tcp", ports: [] }, /ports is empty/],
    ["types of UDP", { proto: "udp", types: [8] }, /types belong to ICMP/],
    ["two families", { from: ["10.0.0.0/8"], to: ["fd00::/8"] }, /of two families/],
    ["no prefix", { from: ["10.0.0.1/8"] }, /bits behind its length/],
    ["no MAC", { mac: "1:2:3" }, /no MAC address/],
    ["no EtherType", { ethertype: 70_000 }, /0 to 65535/],
    ["no family", { family: 5 }, /4 or 6/],
    ["too much", { proto: "tcp", ports: Array.from({ length: 128 }, (_, i) => 1000 + 2 * i) }, /room for 127/],
  ])("that says %s is refused", (_, match, reason) => {
    expect(() => node.dp.onPacket(match as PacketMatch, () => {})).toThrow(reason);
  });
});
