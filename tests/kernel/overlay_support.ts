// SPDX-License-Identifier: Apache-2.0
/** Second opinions on encapsulated frames: tshark decodes them, scapy builds them, a lab's devices carry them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab } from "../../sdk/lab/index.ts";
import { waitFor } from "../../sdk/lab/index.ts";
import { Ethtool } from "../../sdk/netlink/index.ts";
import { Capture } from "./pods_capture.ts";
import { PYTHON } from "./pods_node.ts";

export { Capture, seen } from "./pods_capture.ts";

/** The second port on which MPLS over UDP is taken; tshark knows only 6635. */
const OTHER_MPLS_PORT = 51234;

/** Every checksum is verified, and TCP's view of a stream, of which a few frames are no fault, is left out. */
const PREFERENCES = [
  ...["ip", "tcp", "udp"].map((name) => `${name}.check_checksum:TRUE`),
  // RFC 6935: tunnels over IPv6 may do without.
  "udp.ignore_ipv6_zero_checksum:TRUE",
  "tcp.analyze_sequence_numbers:FALSE",
].flatMap((preference) => ["-o", preference]);

const CHECKSUMS = ["ip", "tcp", "udp", "icmp", "icmpv6"].map((name) => `${name}.checksum.status == "Bad"`);

/** What no frame of ours may be: malformed, wrongly summed, or with a remark of tshark's that is more than a note. */
const WRONG = ["_ws.malformed", "_ws.unreassembled", "_ws.expert.severity >= 0x600000", ...CHECKSUMS].join(" || ");

/** A pcap file (pcap-savefile(5)) of Ethernet frames, one a second. */
export function pcapOf(frames: readonly Uint8Array[]): Uint8Array {
  const file = new Uint8Array(24 + frames.reduce((sum, frame) => sum + 16 + frame.byteLength, 0));
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 0x40000, true);
  view.setUint32(20, 1, true);
  let offset = 24;
  frames.forEach((frame, i) => {
    view.setUint32(offset, i, true);
    view.setUint32(offset + 8, frame.byteLength, true);
    view.setUint32(offset + 12, frame.byteLength, true);
    file.set(frame, offset + 16);
    offset += 16 + frame.byteLength;
  });
  return file;
}

/** Lines of tshark over frames. */
export function tshark(frames: readonly Uint8Array[], ...args: readonly string[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), "wn-frames-"));
  try {
    const path = join(directory, "frames.pcap");
    writeFileSync(path, pcapOf(frames));
    const argv = ["tshark", "-n", "-2", "-r", path, "-d", `udp.port==${OTHER_MPLS_PORT},mpls`, ...PREFERENCES, ...args];
    const { stdout, stderr, exitCode } = Bun.spawnSync(argv);
    if (exitCode !== 0) throw new Error(`tshark: ${stderr}`);
    return stdout.toString().split("\n").slice(0, -1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One line for each frame with which something is wrong; empty is what tests want. */
export function complaints(frames: readonly Uint8Array[]): string[] {
  const wrong = tshark(frames, "-Y", WRONG, "-T", "fields", "-e", "frame.number").map(Number);
  return wrong.map((number) => {
    const frame = frames[number - 1] ?? new Uint8Array();
    const remarks = tshark([frame], "-T", "fields", "-e", "_ws.expert.message", "-e", "_ws.col.Info");
    return `frame ${number}: ${remarks.join(" ").trim()}: ${Buffer.from(frame).toString("hex")}`;
  });
}

/**
 * Fields of each frame by tshark's names (`ip.ttl`, `vxlan.vni`, `mpls.label`), outermost layer first; a field
 * that a frame lacks is an empty array. `frame.protocols` tells how a frame was understood.
 */
export function fieldsOf<Name extends string>(
  frames: readonly Uint8Array[],
  ...names: readonly Name[]
): Record<Name, string[]>[] {
  if (frames.length === 0) return [];
  const format = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"];
  return tshark(frames, ...format, ...names.flatMap((name) => ["-e", name])).map((line) => {
    const columns = line.split("\t");
    return Object.fromEntries(
      names.map((name, i) => [name, columns[i] === undefined || columns[i] === "" ? [] : columns[i].split("|")]),
    ) as Record<Name, string[]>;
  });
}

/** What expressions may use. Scapy does not know by itself what follows on the MPLS ports, and in GRE. */
const SCAPY_PRELUDE = `
import logging, sys
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.l2 import *
from scapy.layers.inet import *
from scapy.layers.inet6 import *
from scapy.layers.vxlan import VXLAN
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.contrib.mpls import MPLS
from scapy.packet import bind_layers, Raw, Padding
for port in (6635, ${OTHER_MPLS_PORT}):
    bind_layers(UDP, MPLS, dport=port)
bind_layers(GRE, MPLS, proto=0x8847)
`;

function python(program: string, input: string): string[] {
  const { stdout, stderr, exitCode } = Bun.spawnSync([PYTHON, "-c", program], { stdin: Buffer.from(input) });
  if (exitCode !== 0) throw new Error(`scapy: ${stderr}`);
  return stdout.toString().split("\n").slice(0, -1);
}

const hexOf = (frame: Uint8Array): string =>
  Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString("hex");
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

/**
 * Frames that scapy builds from its own expressions, `Ether()/IP(dst="10.0.0.1")/UDP()`; all in one start of
 * Python, which takes half a second.
 */
export function scapy(...expressions: readonly string[]): Uint8Array[] {
  const program = `${SCAPY_PRELUDE}
for line in sys.stdin: print(bytes(eval(line)).hex())`;
  return python(program, expressions.map((text) => `${text.replaceAll("\n", " ")}\n`).join("")).map(bytesOf);
}

/** How scapy reads frames: the expression that would build each. With checksums and lengths as they are in the frame. */
export function scapyReads(frames: readonly Uint8Array[]): string[] {
  const program = `${SCAPY_PRELUDE}
for line in sys.stdin: print(Ether(bytes.fromhex(line)).command())`;
  return python(program, frames.map((frame) => `${hexOf(frame)}\n`).join(""));
}

/**
 * Sends and receives on a device as if it were a wire: checksums are finished and segments cut before a frame
 * is captured or leaves. Without it the kernel hands unfinished ones from veth to veth.
 */
export function asOnWire(lab: Lab, namespace: string, ...devices: readonly string[]): void {
  using ethtool = Ethtool.open({ netns: lab.netns(namespace) });
  for (const device of devices) ethtool.setFeatures(device, { tx: false, tso: false, gso: false, gro: false });
}

/** Sends whole frames out of a device, in order. */
export function sendFrames(lab: Lab, namespace: string, device: string, frames: readonly Uint8Array[]): void {
  const program = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin: s.send(bytes.fromhex(line))`;
  const { status, stderr } = lab.execSync(namespace, [PYTHON, "-c", program, device], {
    input: frames.map((frame) => `${hexOf(frame)}\n`).join(""),
  });
  if (status !== 0) throw new Error(`send: ${stderr}`);
}

export interface ExchangeOptions {
  readonly lab: Lab;
  /** Namespace and device that frames are sent out of. */
  readonly from: readonly [namespace: string, device: string];
  /** Namespace and device that are listened on. */
  readonly to: readonly [namespace: string, device: string];
  /** What is listened for, pcap-filter(7). Default: everything. */
  readonly filter?: string;
  /** Frames to wait for. Default: as many as are sent. */
  readonly count?: number;
  /** Default 1000; what came by then is the result. */
  readonly timeoutMs?: number;
}

/** Sends frames at one place and gives those that were seen at another. */
export async function exchange(frames: readonly Uint8Array[], o: ExchangeOptions): Promise<Uint8Array[]> {
  using capture = await Capture.start(o.lab, ...o.to, o.filter);
  sendFrames(o.lab, ...o.from, frames);
  const count = o.count ?? frames.length;
  await waitFor(() => capture.frames().length >= count, { timeoutMs: o.timeoutMs ?? 1000 }).catch(() => {});
  await capture.stop();
  return capture.frames();
}
