// SPDX-License-Identifier: Apache-2.0
/** What a pod's device really saw: tcpdump writes, tshark and byte search read. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab, LabProcess } from "../../sdk/lab/index.ts";

/** The frames of a pcap file (pcap-savefile(5)), little-endian as tcpdump writes it here. */
function framesOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const frames: Uint8Array[] = [];
  for (let offset = 24; offset + 16 <= file.byteLength; ) {
    const length = view.getUint32(offset + 8, true);
    frames.push(file.subarray(offset + 16, offset + 16 + length));
    offset += 16 + length;
  }
  return frames;
}

/** Every checksum that tshark can verify. */
const PROTOCOLS = ["ip", "tcp", "udp", "icmp", "icmpv6"] as const;
const VERIFY = ["ip", "tcp", "udp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);

/** A running capture of received and sent frames on one device. */
export class Capture implements Disposable {
  readonly #process: LabProcess;
  readonly #directory: string;
  readonly #path: string;

  private constructor(process: LabProcess, directory: string, path: string) {
    this.#process = process;
    this.#directory = directory;
    this.#path = path;
  }

  /** @param filter pcap-filter(7); default: everything. */
  static async start(lab: Lab, namespace: string, device: string, filter = ""): Promise<Capture> {
    const directory = mkdtempSync(join(tmpdir(), "wj-capture-"));
    const path = join(directory, "capture.pcap");
    // --immediate-mode: nothing is left in the kernel's ring when it is stopped.
    const argv = ["tcpdump", "-Z", "root", "--immediate-mode", "-Unpi", device, "-s", "0", "-B", "65536", "-w", path];
    const process = lab.spawn(namespace, filter === "" ? argv : [...argv, filter]);
    await process.waitForOutput(/listening on/, { timeoutMs: 10_000 });
    return new Capture(process, directory, path);
  }

  /** Ends it, after the frames that are under way. */
  async stop(): Promise<void> {
    await Bun.sleep(100);
    await this.#process.kill("SIGINT");
  }

  /** After `stop`. */
  frames(): Uint8Array[] {
    return framesOf(new Uint8Array(readFileSync(this.#path)));
  }

  /** One line for each frame with a wrong checksum. After `stop`. */
  badChecksums(): string[] {
    const bad = PROTOCOLS.map((name) => `${name}.checksum.status == "Bad"`).join(" || ");
    return this.tshark("-Y", bad);
  }

  /** Lines of tshark with checksums verified. After `stop`. */
  tshark(...args: readonly string[]): string[] {
    const { stdout, stderr, exitCode } = Bun.spawnSync(["tshark", "-n", "-r", this.#path, ...VERIFY, ...args]);
    if (exitCode !== 0) throw new Error(`tshark: ${stderr}`);
    return stdout
      .toString()
      .split("\n")
      .filter((line) => line !== "");
  }

  [Symbol.dispose](): void {
    this.#process.signal("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Whether any of the frames contains the bytes. */
export function seen(frames: readonly Uint8Array[], needle: Uint8Array | string): boolean {
  const wanted = Buffer.from(needle as string);
  return frames.some((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).includes(wanted));
}
