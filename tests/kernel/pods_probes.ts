// SPDX-License-Identifier: Apache-2.0
/** Frames that a pod may try to get past policy with, each recognisable wherever it arrives. */
import { pods } from "../../sdk/lab/index.ts";
import {
  addressBytes,
  arp,
  BROADCAST,
  be16,
  concat,
  ethernet,
  finish,
  GATEWAY_MAC,
  type IpOptions,
  icmpError,
  ip,
  ipPacket,
  isV6,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  tcp,
  udp,
} from "./pipeline_packets.ts";

const { a, b, c } = pods;

/** One frame, and bytes that are in it wherever it arrives. */
export interface Probe {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly needle: Uint8Array;
}

/** What of a live conversation between others a forger may know. */
export interface LiveFlows {
  /** Identifiers of pings from a to b. */
  readonly echo4: number;
  readonly echo6: number;
}

/** IP protocol numbers. */
const [ICMP, IGMP, IPIP, UDP, GRE, ESP, ICMPV6, SCTP] = [1, 2, 4, 17, 47, 50, 58, 132];
/** IPv6 extension headers. */
const [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION] = [0, 43, 44, 60];

/** The only port that a may use, and that spoofed frames try. */
export const ALLOWED_PORT = 7000;

class Probes {
  readonly list: Probe[] = [];

  /** `make` gets the payload by which the frame is known. */
  add(name: string, make: (text: Uint8Array) => Uint8Array): void {
    const needle = new TextEncoder().encode(`wj-probe:${name};`);
    this.list.push({ name, frame: make(needle), needle });
  }
}

const echo = (text: Uint8Array, o: IpOptions, type?: number, identifier = 99): Uint8Array => {
  const v6 = isV6(o.source);
  const protocol = v6 ? ICMPV6 : ICMP;
  const message = concat([type ?? (v6 ? 128 : 8), 0, 0, 0], be16(identifier), be16(1), text);
  return ip(protocol, finish(message, 2, protocol, o), o);
};

/** An IPv6 extension header of 8 bytes, followed by `next`. */
const extension = (next: number, body: readonly number[] = [1, 4, 0, 0, 0, 0]): number[] => [next, 0, ...body];

/** From c to b, of which policy allows nothing. @param deviceMacs of the node's ends of c and b. */
export function deniedProbes(deviceMacs: { readonly c: string; readonly b: string }, live: LiveFlows): Probe[] {
  const probes = new Probes();
  for (const family of [4, 6] as const) {
    const pair = family === 4 ? { source: c.ipv4, destination: b.ipv4 } : { source: c.ipv6, destination: b.ipv6 };
    const o = { ...pair, from: c.mac };
    const ports = { ...o, sourcePort: 54_321, destinationPort: ALLOWED_PORT };
    const data = (text: Uint8Array, more: object = {}) => udp({ ...ports, ...more, payload: text });
    const named = (name: string) => `${name}-${family}`;
    probes.add(named("udp"), (payload) => data(payload));
    for (const [flag, flags] of Object.entries({ TCP_SYN, TCP_ACK, TCP_RST, FIN_ACK: TCP_FIN | TCP_ACK, none: 0 })) {
      for (const destinationPort of [80, 81]) {
        probes.add(named(`tcp-${flag}-${destinationPort}`), (payload) =>
          tcp({ ...ports, destinationPort, flags, payload }),
        );
      }
    }
    for (const type of family === 4 ? [0, 8, 13, 5] : [128, 129, 135, 136, 137]) {
      probes.add(named(`icmp-${type}`), (text) => echo(text, o, type));
    }
    for (const protocol of [IGMP, IPIP, GRE, ESP, SCTP, 255]) {
      probes.add(named(`protocol-${protocol}`), (text) => ip(protocol, concat(new Uint8Array(8), text), o));
    }
    // To others than the gateway's MAC.
    for (const [where, to] of Object.entries({
      own: deviceMacs.c,
      other: deviceMacs.b,
      pod: b.mac,
      broadcast: BROADCAST,
      multicast: "01:00:5e:00:00:05",
      multicast6: "33:33:00:00:00:01",
      zero: "00:00:00:00:00:00",
    })) {
      probes.add(named(`udp-to-${where}-mac`), (payload) => data(payload, { to }));
      probes.add(named(`echo-to-${where}-mac`), (text) => echo(text, { ...o, to }));
    }
    // From others.
    const sources = family === 4 ? [a.ipv4, b.ipv4, "127.0.0.1", "0.0.0.0"] : [a.ipv6, b.ipv6, "::1", "::"];
    for (const source of sources) {
      for (const from of [c.mac, a.mac, GATEWAY_MAC]) {
        probes.add(named(`spoofed-${source}-${from}`), (payload) => data(payload, { source, from }));
        probes.add(named(`spoofed-echo-${source}-${from}`), (text) => {
          return echo(text, { ...o, source, from }, undefined, family === 4 ? live.echo4 : live.echo6);
        });
      }
    }
    for (const vlans of [[0], [1], [4094], [10, 20], [0, 0], [1, 2, 3]]) {
      probes.add(named(`vlan-${vlans.join("-")}`), (payload) => data(payload, { vlans }));
      probes.add(named(`vlan-${vlans.join("-")}-to-pod`), (payload) => data(payload, { vlans, to: b.mac }));
    }
    probes.add(named("ttl-1"), (payload) => data(payload, { ttl: 1 }));
    probes.add(named("unreachable-in-unreachable"), (text) => {
      const quoted = ipPacket(UDP, concat(be16(7), be16(7), be16(8), [0, 0], text), {
        source: pair.destination,
        destination: pair.source,
      });
      return icmpError(family === 4 ? 3 : 1, 1, quoted, o);
    });
  }
  addIpv4(probes);
  addIpv6(probes);
  addForgedErrors(probes, live);
  addLinkLayer(probes);
  return probes.list;
}

function addIpv4(probes: Probes): void {
  const o = { source: c.ipv4, destination: b.ipv4, from: c.mac };
  const datagram = (text: Uint8Array) => concat(be16(54_321), be16(ALLOWED_PORT), be16(8 + text.length), [0, 0], text);
  const MORE = 0x2000;
  probes.add("first-fragment-4", (text) => ip(UDP, datagram(text), { ...o, fragment: MORE }));
  probes.add("tiny-first-fragment-4", (text) => ip(6, text.subarray(0, 8), { ...o, fragment: MORE }));
  for (const offset of [1, 2, 100, 8191]) {
    probes.add(`later-fragment-${offset}-4`, (text) => ip(UDP, datagram(text), { ...o, fragment: offset }));
    probes.add(`middle-fragment-${offset}-4`, (text) => ip(UDP, datagram(text), { ...o, fragment: MORE | offset }));
  }
  const options = {
    nop: [1, 1, 1, 0],
    "record-route": [7, 7, 4, 0, 0, 0, 0, 0],
    "loose-source-route": [131, 7, 4, ...addressBytes(b.ipv4), 0],
    "strict-source-route": [137, 7, 4, ...addressBytes(b.ipv4), 0],
    "router-alert": [148, 4, 0, 0],
  };
  for (const [name, bytes] of Object.entries(options)) {
    probes.add(`option-${name}-4`, (text) => ip(UDP, datagram(text), { ...o, options: Uint8Array.from(bytes) }));
  }
  // To the node itself, which would route it on.
  probes.add("source-route-via-gateway-4", (text) =>
    ip(UDP, datagram(text), {
      ...o,
      destination: "169.254.1.1",
      options: Uint8Array.from([131, 7, 4, ...addressBytes(b.ipv4), 0]),
    }),
  );
  probes.add("directed-broadcast-4", (text) => ip(UDP, datagram(text), { ...o, destination: "255.255.255.255" }));
  probes.add("multicast-4", (text) => ip(UDP, datagram(text), { ...o, destination: "224.0.0.1", to: b.mac }));
  probes.add("ip-in-ip-4", (text) =>
    ip(IPIP, ipPacket(UDP, datagram(text), { source: a.ipv4, destination: b.ipv4 }), o),
  );
  const wrong = (text: Uint8Array, change: (frame: Uint8Array) => void) => {
    const frame = ip(UDP, datagram(text), o);
    change(frame);
    return frame;
  };
  const set = (offset: number, value: number) => (frame: Uint8Array) => frame.set([value], offset);
  probes.add("wrong-version-4", (text) => wrong(text, set(14, 0x65)));
  probes.add("short-header-4", (text) => wrong(text, set(14, 0x43)));
  probes.add("wrong-checksum-4", (text) => wrong(text, set(24, 0xaa)));
  probes.add("long-total-4", (text) => wrong(text, set(16, 0x7f)));
}

function addIpv6(probes: Probes): void {
  const o = { source: c.ipv6, destination: b.ipv6, from: c.mac };
  const datagram = (text: Uint8Array) => {
    const segment = concat(be16(54_321), be16(ALLOWED_PORT), be16(8 + text.length), [0, 0], text);
    return finish(segment, 6, UDP, o);
  };
  const chain = (first: number, ...headers: readonly number[][]) => ({
    ...o,
    firstExtension: first,
    options: Uint8Array.from(headers.flat()),
  });
  const add = (name: string, options: IpOptions, protocol = UDP) =>
    probes.add(`${name}-6`, (text) => ip(protocol, datagram(text), options));
  add("hop-by-hop", chain(HOP_BY_HOP, extension(UDP)));
  add("router-alert", chain(HOP_BY_HOP, extension(UDP, [5, 2, 0, 0, 1, 0])));
  add("destination-options", chain(DESTINATION, extension(UDP)));
  add("routing-0", chain(ROUTING, [UDP, 2, 0, 1, 0, 0, 0, 0, ...addressBytes(b.ipv6)]));
  add("routing-via-gateway", {
    ...chain(ROUTING, [UDP, 2, 0, 1, 0, 0, 0, 0, ...addressBytes(b.ipv6)]),
    destination: "fe80::1",
  });
  add("many", chain(HOP_BY_HOP, extension(DESTINATION), extension(ROUTING), extension(DESTINATION), extension(UDP)));
  const twelve = Array.from({ length: 12 }, (_, index) => extension(index === 11 ? UDP : DESTINATION));
  add("too-many", chain(DESTINATION, ...twelve));
  add("no-next-header", chain(DESTINATION, extension(59)));
  const fragment = (offset: number, more: number) => [UDP, 0, ...be16((offset << 3) | more), 0, 0, 0, 7];
  add("atomic-fragment", chain(FRAGMENT, fragment(0, 0)));
  add("first-fragment", chain(FRAGMENT, fragment(0, 1)));
  add("later-fragment", chain(FRAGMENT, fragment(10, 1)));
  add("last-fragment", chain(FRAGMENT, fragment(10, 0)));
  add("hidden-fragment", chain(HOP_BY_HOP, extension(FRAGMENT), fragment(10, 0)));
  add("cut-short", chain(DESTINATION, [DESTINATION, 200, 0, 0, 0, 0, 0, 0]));
  add("multicast", { ...o, destination: "ff02::1", to: b.mac });
  add("link-local", { ...o, destination: "fe80::ff:fe00:102", to: b.mac });
}

/** ICMP errors about the conversation of others: they are not c's to send. */
function addForgedErrors(probes: Probes, live: LiveFlows): void {
  for (const family of [4, 6] as const) {
    const [from, to, own] = family === 4 ? [a.ipv4, b.ipv4, c.ipv4] : [a.ipv6, b.ipv6, c.ipv6];
    const identifier = family === 4 ? live.echo4 : live.echo6;
    const protocol = family === 4 ? ICMP : ICMPV6;
    for (const [source, destination, type] of [
      [from, to, family === 4 ? 8 : 128],
      [to, from, family === 4 ? 0 : 129],
    ] as const) {
      for (const [kind, code] of family === 4
        ? [
            [3, 1],
            [3, 4],
            [5, 1],
            [11, 0],
          ]
        : [
            [1, 0],
            [2, 0],
            [3, 0],
            [4, 1],
          ]) {
        probes.add(`forged-error-${source}-${kind}`, (text) => {
          const message = concat([type, 0, 0, 0], be16(identifier), be16(1), text);
          const quoted = ipPacket(protocol, message, { source, destination });
          return icmpError(kind ?? 3, code ?? 1, quoted, { source: own, destination: source, from: c.mac });
        });
      }
    }
  }
}

/** What is not IP. */
function addLinkLayer(probes: Probes): void {
  for (const to of [b.mac, GATEWAY_MAC, BROADCAST]) {
    for (const operation of [1, 2]) {
      for (const sender of ["169.254.1.1", a.ipv4, "10.97.77.1"]) {
        const name = `arp-${operation}-${sender}-to-${to}`;
        // An address of its own by which the frame is known.
        const target = `10.66.${probes.list.length >> 8}.${probes.list.length & 255}`;
        const frame = arp({ from: c.mac, to, operation, sender, target });
        probes.list.push({
          name,
          frame,
          needle: concat(addressBytes(sender), new Uint8Array(6), addressBytes(target)),
        });
      }
    }
    for (const type of [0x88cc, 0x8847, 0x8863, 0x8864, 0x9000, 0x22f0, 0x0040]) {
      probes.add(`ethertype-${type.toString(16)}-to-${to}`, (text) => {
        return ethernet(type, concat(text, new Uint8Array(40)), { from: c.mac, to });
      });
    }
    probes.add(`snap-to-${to}`, (text) => {
      const inner = concat(
        [0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
        ipPacket(UDP, text, { source: c.ipv4, destination: b.ipv4 }),
      );
      return ethernet(inner.length, inner, { from: c.mac, to });
    });
  }
}
