// SPDX-License-Identifier: Apache-2.0
/** Fragments in every order where policy is on: what arrives is what was sent. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { scapy, sendFrames } from "./overlay_support.ts";
import { hooks, PodsNode } from "./pods_node.ts";

const { a, b } = pods;
const GATEWAY_MAC = "00:00:5e:00:01:00";
/** Bytes that fragments hold. */
const PIECE = 64;

setDefaultTimeout(60_000);

/** `PORT`: prints the SHA-256 of each datagram. */
const UDP_HASHES = `
import hashlib, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True: print("got", hashlib.sha256(s.recv(65536)).hexdigest(), flush=True)
`;

interface Datagram {
  readonly family: 4 | 6;
  readonly sourcePort: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** Frames that pod a would send, in pieces that end at multiples of `PIECE`. */
function fragmentsOf({ family, sourcePort, id, payload }: Datagram): string[] {
  const data = `bytes.fromhex("${Buffer.from(payload).toString("hex")}")`;
  const ethernet = `Ether(src="${a.mac}", dst="${GATEWAY_MAC}")`;
  const udp = `UDP(sport=${sourcePort}, dport=7)/${data}`;
  const total = payload.byteLength + 8;
  // The checksum is that of the whole, so the pieces are cut from its bytes.
  const whole =
    family === 4
      ? `bytes(IP(src="${a.ipv4}", dst="${b.ipv4}")/${udp})[20:]`
      : `bytes(IPv6(src="${a.ipv6}", dst="${b.ipv6}")/${udp})[40:]`;
  return Array.from({ length: Math.ceil(total / PIECE) }, (_, i) => {
    const more = (i + 1) * PIECE < total ? 1 : 0;
    const piece = `Raw(${whole}[${i * PIECE}:${(i + 1) * PIECE}])`;
    const offset = (i * PIECE) / 8;
    return family === 4
      ? `${ethernet}/IP(src="${a.ipv4}", dst="${b.ipv4}", id=${id}, proto=17, flags=${more}, frag=${offset})/${piece}`
      : `${ethernet}/IPv6(src="${a.ipv6}", dst="${b.ipv6}")/IPv6ExtHdrFragment(nh=17, id=${id}, m=${more}, offset=${offset})/${piece}`;
  });
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((one, i) => permutations(list.filter((_, j) => j !== i)).map((rest) => [one, ...rest]));
}

const payloadOf = (bytes: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed * 13) & 255);
const hashOf = (payload: Uint8Array): string => createHash("sha256").update(payload).digest("hex");

const policies = [{ name: "open", default: "allow" }];
const policed = { a: { policies: ["open"] }, b: { policies: ["open"] } };

for (const hook of hooks) {
  for (const family of [4, 6] as const) {
    describe(`fragments of IPv${family} on the ${hook} hook`, () => {
      test("arrive in every order, of new flows and of known ones", async () => {
        await using node = await PodsNode.start({ name: `frag${family}`, hook });
        await node.dp.apply(node.document(policed, { policies }));
        await using server = await node.serve("b", UDP_HASHES, "7");
        const send = async (payloads: readonly Uint8Array[], frames: readonly Uint8Array[]) => {
          sendFrames(node.lab, "a", "eth0", frames);
          for (const payload of payloads) await server.waitForOutput(new RegExp(hashOf(payload)), { timeoutMs: 1500 });
        };
        const orders = permutations([0, 1, 2]);
        const fresh = orders.map((order, i) => {
          const payload = payloadOf(2 * PIECE + 40, i);
          const pieces = fragmentsOf({ family, sourcePort: 5000 + i, id: 100 + i, payload });
          return { payload, pieces: order.map((index) => pieces[index] ?? "") };
        });
        // Longer ones, of a flow that those have begun.
        const shuffles = [(n: number) => n, (n: number) => 19 - n, (n: number) => (n * 7 + 3) % 20];
        const known = shuffles.map((shuffle, i) => {
          const payload = payloadOf(19 * PIECE + 40, 50 + i);
          const pieces = fragmentsOf({ family, sourcePort: 5000, id: 200 + i, payload });
          return { payload, pieces: pieces.map((_, index) => pieces[shuffle(index)] ?? "") };
        });
        // Longer ones of new flows: all that waited follow the first one's decision.
        const late = [(n: number) => 19 - n, (n: number) => (n + 1) % 20, (n: number) => n].map((shuffle, i) => {
          const payload = payloadOf(19 * PIECE + 40, 80 + i);
          const pieces = fragmentsOf({ family, sourcePort: 6000 + i, id: 300 + i, payload });
          return { payload, pieces: pieces.map((_, index) => pieces[shuffle(index)] ?? "") };
        });
        for (const group of [fresh, known, late]) {
          const frames = scapy(...group.flatMap(({ pieces }) => pieces));
          await send(
            group.map(({ payload }) => payload),
            frames,
          );
        }
        expect(node.dp.drops().filter(({ reason }) => /fragment|trap|hold|policy/.test(reason))).toEqual([]);
      });

      test("whose first one never comes are bounded, counted, and given up", async () => {
        await using node = await PodsNode.start({ name: `lone${family}`, hook });
        await node.dp.apply(node.document(policed, { policies }));
        await using server = await node.serve("b", UDP_HASHES, "7");
        const count = 3000;
        const [lone] = scapy(
          ...fragmentsOf({ family, sourcePort: 5000, id: 0, payload: payloadOf(2 * PIECE, 1) }).slice(1, 2),
        );
        const at = family === 4 ? 18 : 58;
        const flood = Array.from({ length: count }, (_, i) => {
          const frame = (lone ?? new Uint8Array()).slice();
          // Twenty of each datagram, all overlapping.
          new DataView(frame.buffer).setUint16(at + (family === 4 ? 0 : 2), 1000 + Math.floor(i / 20));
          if (family === 4) fixChecksum(frame);
          return frame;
        });
        sendFrames(node.lab, "a", "eth0", flood);
        // Others go on meanwhile.
        const { received } = await node.lab.ping("a", family === 4 ? b.ipv4 : b.ipv6, { count: 3, intervalMs: 20 });
        expect(received).toBe(3);
        const lost = () => node.dropped("va", "fragment") + node.dropped("va", "trap-limit");
        await waitFor(() => lost() >= count, { what: `all of them to be given up (${lost()})`, timeoutMs: 8000 });
        const whole = payloadOf(500, 3);
        sendFrames(
          node.lab,
          "a",
          "eth0",
          scapy(...fragmentsOf({ family, sourcePort: 7001, id: 5001, payload: whole })).reverse(),
        );
        await server.waitForOutput(new RegExp(hashOf(whole)), { timeoutMs: 1500 });
      });
    });
  }
}

/** Writes the checksum of the IPv4 header anew. */
function fixChecksum(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
}
