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
  });
}
