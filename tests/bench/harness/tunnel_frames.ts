// SPDX-License-Identifier: Apache-2.0
/** UDP packets between two pods of different nodes, as a pod sends them and as the fabric carries them. */

/** TUNNEL_COST_FRAME in bpf/tunnel_cost.h. */
export const FRAME_SIZE = 128;

export const NEAR_POD = { address: "10.97.0.1", mac: [0x02, 0x00, 0x00, 0x00, 0x01, 0x01] } as const;
/** Within what the FIB program has a route for. */
export const FAR_POD = { address: "10.64.0.1", mac: [0x02, 0x00, 0x00, 0x00, 0x02, 0x01] } as const;
export const PORT = 4433;
export const UDP = 17;
export const GATEWAY_MAC = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x00] as const;

/** Ends of the tunnel. */
export const LOCAL = "192.0.2.1";
export const REMOTE = "192.0.2.2";
export const LOCAL_MAC = [0x02, 0x00, 0x00, 0x00, 0xf0, 0x01] as const;
export const REMOTE_MAC = [0x02, 0x00, 0x00, 0x00, 0xf0, 0x02] as const;

/** VNI or label. */
export const TAG = 77;

export type TunnelKind = "vxlan" | "mpls-udp";

const ETHERNET = 14;
const IPV4 = 20;
const UDP_HEADER = 8;
const VXLAN_PORT = 4789;
const MPLS_PORT = 6635;
const ENTROPY_PORT = 50_000;

const quad = (address: string): number[] => address.split(".").map(Number);

function putEthernet(frame: Uint8Array, to: readonly number[], from: readonly number[]): void {
  frame.set(to, 0);
  frame.set(from, 6);
  frame.set([0x08, 0x00], 12);
}

/** IPv4 and UDP headers for all that follows `at`. */
function putUdp(frame: Uint8Array, at: number, from: string, to: string, ports: readonly [number, number]): void {
  const view = new DataView(frame.buffer, frame.byteOffset + at);
  const length = frame.byteLength - at;
  view.setUint8(0, 0x45);
  view.setUint16(2, length);
  view.setUint8(8, 64);
  view.setUint8(9, UDP);
  frame.set(quad(from), at + 12);
  frame.set(quad(to), at + 16);
  let sum = 0;
  for (let offset = 0; offset < IPV4; offset += 2) sum += view.getUint16(offset);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~sum & 0xffff);
  view.setUint16(IPV4, ports[0]);
  view.setUint16(IPV4 + 2, ports[1]);
  view.setUint16(IPV4 + 4, length - IPV4);
}

/** From the near pod to the far one, for the gateway to route. */
export function podFrame(): Uint8Array {
  const frame = new Uint8Array(FRAME_SIZE);
  putEthernet(frame, GATEWAY_MAC, NEAR_POD.mac);
  putUdp(frame, ETHERNET, NEAR_POD.address, FAR_POD.address, [PORT, PORT]);
  return frame;
}

/** From the far pod to the near one, out of the tunnel from the far node. */
export function fabricFrame(kind: TunnelKind): Uint8Array {
  const frame = new Uint8Array(FRAME_SIZE);
  const shim = ETHERNET + IPV4 + UDP_HEADER;
  putEthernet(frame, LOCAL_MAC, REMOTE_MAC);
  putUdp(frame, ETHERNET, REMOTE, LOCAL, [ENTROPY_PORT, kind === "vxlan" ? VXLAN_PORT : MPLS_PORT]);
  if (kind === "mpls-udp") {
    new DataView(frame.buffer).setUint32(shim, (TAG << 12) | 0x100 | 63);
    putUdp(frame, shim + 4, FAR_POD.address, NEAR_POD.address, [PORT, PORT]);
    return frame;
  }
  frame.set([0x08, 0, 0, 0, 0, TAG >> 8, TAG & 0xff, 0], shim);
  const inner = shim + 8;
  putEthernet(frame.subarray(inner), GATEWAY_MAC, GATEWAY_MAC);
  putUdp(frame, inner + ETHERNET, FAR_POD.address, NEAR_POD.address, [PORT, PORT]);
  return frame;
}
