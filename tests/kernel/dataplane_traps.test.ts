// SPDX-License-Identifier: Apache-2.0
/** What becomes of trapped packets with a handler and without one (docs/traps.md). */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { root } from "../../scripts/root.ts";
import type { Packet } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { trapReasons } from "../../sdk/layout/index.ts";
import { exchange, scapy, sendFrames } from "./overlay_support.ts";
import { hooks, PodsNode } from "./pods_node.ts";

const { a, b } = pods;
const STRANGER = "02:00:00:00:99:01";

setDefaultTimeout(60_000);

test("every trap is in docs/traps.md", () => {
  const text = readFileSync(root("docs", "traps.md"), "utf8");
  for (const reason of trapReasons.slice(1)) expect(text).toContain(`\`${reason}\``);
});

for (const hook of hooks) {
  describe(`traps on the ${hook} hook`, () => {
    let frames: { readonly igmp: Uint8Array; readonly mld: Uint8Array; readonly dhcp: Uint8Array };

    beforeAll(() => {
      const [igmp, mld, dhcp] = scapy(
        `Ether(src="${a.mac}", dst="01:00:5e:00:00:16")/IP(src="${a.ipv4}", dst="224.0.0.22", proto=2, ttl=1)/Raw(b"\\x22\\0\\0\\0\\0\\0\\0\\0")`,
        `Ether(src="${a.mac}", dst="33:33:00:00:00:16")/IPv6(src="fe80::1:1", dst="ff02::16", hlim=1)/ICMPv6MLReport2()`,
        `Ether(src="${a.mac}", dst="ff:ff:ff:ff:ff:ff")/IP(src="0.0.0.0", dst="255.255.255.255")/UDP(sport=68, dport=67)/BOOTP(op=1)`,
      );
      if (igmp === undefined || mld === undefined || dhcp === undefined) throw new Error("scapy");
      frames = { igmp, mld, dhcp };
    });

    test.each([
      ["igmp", "igmp"],
      ["mld", "igmp"],
      ["dhcp", "dhcp"],
    ] as const)("%s is the handler's, and a counted drop without one", async (name, trap) => {
      await using node = await PodsNode.start({ name: `trap${name}`, hook });
      await node.dp.apply(node.document());
      const frame = frames[name];
      const isOurs = (packet: Packet) => Buffer.from(packet.frame).equals(Buffer.from(frame));
      const before = node.dropped("va", "unhandled-trap");
      sendFrames(node.lab, "a", "eth0", [frame]);
      await waitFor(() => node.dropped("va", "unhandled-trap") > before, { what: "the drop" });

      const taken: Packet[] = [];
      {
        using _ = node.dp.onPacket(trap, (packet) => {
          if (isOurs(packet)) taken.push({ ...packet, frame: packet.frame.slice() });
        });
        sendFrames(node.lab, "a", "eth0", [frame]);
        await waitFor(() => taken.length > 0, { what: "the packet" });
      }
      expect(taken).toMatchObject([{ trap, interface: "va", vrf: "red", length: frame.byteLength }]);
      // The kernel of the pod has groups of its own to report: count what is above theirs.
      const dropped = node.dropped("va", "unhandled-trap");
      sendFrames(
        node.lab,
        "a",
        "eth0",
        Array.from({ length: 20 }, () => frame),
      );
      await waitFor(() => node.dropped("va", "unhandled-trap") >= dropped + 20, { what: "the drops" });
    });

    test("a frame whose MAC is learned goes on, with a handler and without one", async () => {
      await using node = await PodsNode.start({ name: "learn", hook });
      const learning = { mac: undefined, addresses: undefined, learn: true };
      const state = JSON.parse(JSON.stringify(node.document({ a: learning, c: learning })));
      await node.dp.apply(state);
      const from = (mac: string, size = 100) =>
        scapy(`Ether(src="${mac}", dst="${b.mac}", type=0x88b5)/Raw(bytes(range(${size})))`);
      const pass = (mac: string, pod: "a" | "c" = "a") =>
        exchange(from(mac), {
          lab: node.lab,
          from: [pod, "eth0"],
          to: ["b", "eth0"],
          filter: "ether proto 0x88b5",
          timeoutMs: 2000,
        });
      expect(await pass(STRANGER)).toEqual(from(STRANGER));
      expect(node.dp.tables.fdb.get({ vrf: "red", mac: STRANGER })).toMatchObject({ via: "va", owner: "learned" });

      const news: [string, boolean | undefined, string][] = [];
      using _ = node.dp.onPacket("mac-learn", ({ interface: on, moved, frame }) => {
        const mac = Buffer.from(frame.subarray(6, 12)).toString("hex");
        if (mac.startsWith("0200000099")) news.push([on, moved, mac]);
      });
      const second = "02:00:00:00:99:02";
      expect(await pass(second)).toEqual(from(second));
      expect(await pass(STRANGER, "c")).toEqual(from(STRANGER));
      await waitFor(() => news.length === 2, { what: "the news" });
      expect(news).toEqual([
        ["va", false, "020000009902"],
        ["vc", true, "020000009901"],
      ]);
      expect(node.dropped("va", "unhandled-trap") + node.dropped("vc", "unhandled-trap")).toBe(0);
    });

    test("traps that only a handler wants are raised for it, and end with it", async () => {
      await using node = await PodsNode.start({ name: "want", hook });
      const { dp, lab } = node;
      const learning = { mac: undefined, addresses: undefined, learn: true };
      const nexthops = [{ name: "punt", type: "trap" }];
      const routes = ["10.98.0.0/16", "fd00:98::/32"].map((prefix) => ({ vrf: "red", prefix, via: "punt" }));
      const document = (more: object = {}) =>
        JSON.parse(JSON.stringify(node.document({ c: learning, ...more }, { nexthops, routes })));
      const taken: (Packet & { from: string })[] = [];
      const take = (match: Parameters<typeof dp.onPacket>[0], from = "") =>
        dp.onPacket(match, (packet) => taken.push({ ...packet, frame: packet.frame.slice(), from }));
      const gateway = "00:00:5e:00:01:00";
      const udp = "UDP(sport=49152, dport=3784)/Raw(bytes(24))";
      const [spoofed, spoofed6, foreign, strange, strange6, arp, bfd, bfd6, user, user6, plain] = scapy(
        `Ether(src="${a.mac}", dst="${gateway}")/IP(src="10.97.0.66", dst="${b.ipv4}")/${udp}`,
        `Ether(src="${a.mac}", dst="${gateway}")/IPv6(src="fd00:97::66", dst="${b.ipv6}")/${udp}`,
        `Ether(src="${b.mac}", dst="${gateway}")/IP(src="10.97.0.66", dst="${a.ipv4}")/${udp}`,
        `Ether(src="${STRANGER}", dst="${gateway}")/IP(src="10.97.0.77", dst="${b.ipv4}")/UDP(sport=1, dport=7777)/b"new"`,
        `Ether(src="${STRANGER}", dst="${gateway}")/IPv6(src="fd00:97::77", dst="${b.ipv6}")/UDP(sport=1, dport=7777)/b"new"`,
        `Ether(src="${STRANGER}", dst="ff:ff:ff:ff:ff:ff")/ARP(op=1, hwsrc="${STRANGER}", psrc="10.97.0.78", pdst="10.97.0.78")`,
        `Ether(src="${a.mac}", dst="${gateway}")/IP(src="${a.ipv4}", dst="169.254.1.1", ttl=255)/${udp}`,
        `Ether(src="${a.mac}", dst="${gateway}")/IPv6(src="${a.ipv6}", dst="fe80::1", hlim=255)/${udp}`,
        `Ether(src="${a.mac}", dst="${gateway}")/IP(src="${a.ipv4}", dst="10.98.1.2")/${udp}`,
        `Ether(src="${a.mac}", dst="${gateway}")/IPv6(src="${a.ipv6}", dst="fd00:98::2")/${udp}`,
        `Ether(src="${b.mac}", dst="${gateway}")/IP(src="${b.ipv4}", dst="10.97.0.77")/UDP(sport=7777, dport=1)/b"back"`,
      ) as [Uint8Array, ...Uint8Array[]] & Record<number, Uint8Array>;
      const send = (pod: "a" | "b" | "c", ...frames: (Uint8Array | undefined)[]) =>
        sendFrames(lab, pod, "eth0", frames as Uint8Array[]);
      const traces = (name: string, frame: Uint8Array | undefined) => {
        const { verdict, reason, steps } = dp.trace(name, frame ?? new Uint8Array());
        return [verdict, reason, ...steps.flatMap((step) => (step.stage === "trap" ? [step.reason] : []))];
      };
      await dp.apply(document());

      send("a", spoofed, spoofed6, bfd, bfd6, user, user6);
      await waitFor(() => node.dropped("va", "unhandled-trap") >= 2, { what: "the drops" });
      expect(node.dropped("va", "source-mismatch")).toBe(2);
      expect(traces("va", spoofed)).toEqual(["drop", "source-mismatch"]);
      expect(traces("va", bfd)[0]).toBe("drop");

      {
        using _mismatch = take({ trap: "source-mismatch", interface: "va" });
        using _bfd = take("bfd");
        using _user = take("user");
        expect(traces("va", spoofed)).toEqual(["drop", "source-mismatch", "source-mismatch"]);
        expect(traces("va", bfd)).toEqual(["trap", "bfd", "bfd"]);
        expect(traces("va", user6)).toEqual(["trap", "user", "user"]);
        // What is written anew keeps them.
        await dp.apply(document({ a: { allowedAddresses: [{ address: "10.97.0.55" }] } }));
        send("b", foreign);
        send("a", spoofed, spoofed6, bfd, bfd6, user, user6);
        await waitFor(() => taken.length >= 6, { what: "the packets" });
        await waitFor(() => node.dropped("vb", "source-mismatch") > 0, { what: "the drop" });
      }
      const known = (trap: string, on: string, frame: Uint8Array | undefined) =>
        `${trap} of ${on}: ${Buffer.from(frame ?? []).toString("hex")}`;
      const news = () => taken.map(({ trap, interface: on, frame }) => known(trap, on, frame)).sort();
      const expected = [
        ...[spoofed, spoofed6].map((frame) => known("source-mismatch", "va", frame)),
        ...[bfd, bfd6].map((frame) => known("bfd", "va", frame)),
        ...[user, user6].map((frame) => known("user", "va", frame)),
      ];
      expect(news()).toEqual(expected.sort());
      expect(new Set(taken.map(({ vrf }) => vrf))).toEqual(new Set(["red"]));
      expect(node.dropped("va", "source-mismatch")).toBe(4);
      const unhandled = node.dropped("va", "unhandled-trap");
      send("a", spoofed, user);
      await waitFor(() => node.dropped("va", "unhandled-trap") > unhandled, { what: "the drop" });
      expect(taken).toHaveLength(6);
      taken.length = 0;

      using _learn = take("ip-learn");
      expect(dp.trace("vc", strange ?? new Uint8Array()).steps).toContainEqual({
        stage: "learn",
        learned: "address",
        mac: STRANGER,
      });
      const passed = await exchange([strange, strange6, arp, strange] as Uint8Array[], {
        lab,
        from: ["c", "eth0"],
        to: ["b", "eth0"],
        filter: "udp dst port 7777",
        count: 3,
        timeoutMs: 3000,
      });
      expect(passed).toHaveLength(3);
      await waitFor(() => taken.length >= 3, { what: "the news" });
      expect(news()).toEqual([strange, strange6, arp].map((frame) => known("ip-learn", "vc", frame)).sort());
      // What the controller makes of the news.
      await dp
        .transaction({ owner: "learner" })
        .put("routes", { vrf: "red", prefix: "10.97.0.77/32", via: "vc" })
        .commit();
      const back = await exchange([plain] as Uint8Array[], {
        lab,
        from: ["b", "eth0"],
        to: ["c", "eth0"],
        filter: "udp dst port 1",
        timeoutMs: 3000,
      });
      expect(back).toHaveLength(1);
      expect(dp.tables.vrfs.get("red")?.status["counters"]).toMatchObject({ trap: { packets: 5 } });
    });
  });
}
