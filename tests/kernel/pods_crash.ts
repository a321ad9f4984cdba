// SPDX-License-Identifier: Apache-2.0
/**
 * The controller dies under load and comes back: what happens to packets meanwhile. Used by the test of it and, with
 * a longer pause, by tests/soak/headless.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GATEWAY4, GATEWAY6, Lab, type LabProcess, NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { Capture, seen } from "./pods_capture.ts";
import { type Hook, PYTHON, podsDocument } from "./pods_node.ts";
import { ALLOWED_PORT, deniedProbes, type LiveFlows, type Probe } from "./pods_probes.ts";
import { HTTP_SERVER, UDP_RECORDER } from "./pods_programs.ts";

const { a, b } = pods;
const root = join(import.meta.dirname, "../..");

const PING_INTERVAL_MS = 3;
/** Sequence numbers have 16 bits: in a longer run the pings are farther apart. */
const MOST_PINGS = 60_000;
/** Time for all but the pause: probing, dying, coming back. */
const REST_MS = 7500;
const BYTES_PER_SECOND = 6 << 20;
const live: LiveFlows = { echo4: 1977, echo6: 1978 };

export interface CrashOptions {
  readonly hook: Hook;
  /** Between the death of the controller and the start of the next one. */
  readonly pauseMs: number;
}

/** What the death of a controller did. */
export interface CrashReport {
  /** Before Weir: the node's kernel would forward everything. */
  readonly linuxForwards: boolean;
  /** Of one flow each, over the whole time: `sent`, `received`. */
  readonly pings: Readonly<Record<"ipv4" | "ipv6", { readonly sent: number; readonly received: number }>>;
  /** SHA-256 of what the server has, and of what the client got. */
  readonly download: { readonly served: string; readonly received: string };
  /** Neighbour entries that were removed from the pods meanwhile. */
  readonly flushed: number;
  /** The gateway answers while nobody controls, over IPv4 and IPv6. */
  readonly gatewayAnswers: boolean;
  /** Packets of new flows, which policy allows, that got through while nobody controlled. */
  readonly newFlowsDelivered: number;
  /** Packets that opened new flows then, and how many were counted as dropped for `no-controller`. */
  readonly newFlows: { readonly sent: number; readonly counted: number };
  /** Denied frames that were tried each time, and the names of those that arrived somewhere: alive, dead, adopted. */
  readonly probes: number;
  readonly leaked: Readonly<Record<Phase, readonly string[]>>;
  /** A frame that policy allows arrived: the capture sees what it should. */
  readonly captureWorks: boolean;
  /** Packets that reached the node's own IP stack, or were forwarded by it. */
  readonly hostStack: Readonly<Record<string, number>>;
  /** New flows are decided again. */
  readonly decidesAgain: boolean;
  readonly restartMs: number;
}

type Phase = "alive" | "dead" | "adopted";

/** Runs the whole of it, and removes all traces. */
export async function runCrash({ hook, pauseMs }: CrashOptions): Promise<CrashReport> {
  await using stage = new CrashStage(hook);
  return await stage.run(pauseMs);
}

/** The lab with Linux's own routing on the node, and `weir serve` on top of it. */
class CrashStage implements AsyncDisposable {
  readonly #hook: Hook;
  readonly #lab: Lab;
  readonly #instance: string;
  readonly #directory = mkdtempSync(join(tmpdir(), "wj-crash-"));
  readonly #files = mkdtempSync("/dev/shm/wj-crash-");
  #controller: LabProcess | undefined;

  constructor(hook: Hook) {
    this.#hook = hook;
    this.#instance = `wj${process.pid}-crash-${hook}`;
    this.#lab = Lab.create("routed", { prefix: `wJ-wj-${process.pid}-crash-${hook}-` });
  }

  async run(pauseMs: number): Promise<CrashReport> {
    const lab = this.#lab;
    const linuxForwards = (await lab.ping("c", b.ipv4)).received + (await lab.ping("c", b.ipv6)).received === 2;
    await this.#start();
    this.#flushNeighbours();

    const totalMs = pauseMs + REST_MS;
    const size = (totalMs / 1000) * BYTES_PER_SECOND;
    const make = `head -c ${Math.round(size)} /dev/urandom | tee ${this.#files}/file | sha256sum`;
    const served = hashIn((await lab.exec("b", ["sh", "-c", make], { timeoutMs: 60_000 })).stdout);
    await this.#serveIn("b", HTTP_SERVER, "80", this.#files);
    const recorder = await this.#serveIn("b", UDP_RECORDER, String(ALLOWED_PORT), "3600");
    const timeoutMs = 4 * totalMs + 60_000;
    const curl = `curl -sf --limit-rate ${BYTES_PER_SECOND} http://${b.ipv4}/file | sha256sum`;
    const downloading = lab.exec("a", ["sh", "-c", curl], { timeoutMs });
    const intervalMs = Math.max(PING_INTERVAL_MS, totalMs / MOST_PINGS);
    const pinging = [
      new SteadyPing(lab, b.ipv4, live.echo4, intervalMs),
      new SteadyPing(lab, b.ipv6, live.echo6, intervalMs),
    ] as const;
    await Bun.sleep(1000);
    const stackBefore = this.#hostStack();

    const leaked: Record<Phase, string[]> = { alive: [], dead: [], adopted: [] };
    const probes = this.#probes();
    leaked.alive = await this.#probe(probes, async () => void (await this.#allowedDatagram("alive")));
    await recorder.waitForOutput(/got alive/);

    await this.#controller?.kill("SIGKILL");
    let flushed = this.#flushNeighbours();
    const newFlows = { sent: 0, counted: 0 };
    let newFlowsDelivered = 0;
    leaked.dead = await this.#probe(probes, async () => {
      for (const address of [b.ipv4, b.ipv6]) {
        const { sent, received } = await lab.ping("a", address, { count: 5, timeoutMs: 300, intervalMs: 5 });
        newFlows.sent += sent;
        newFlowsDelivered += received;
      }
      await this.#allowedDatagram("dead");
      newFlows.sent++;
    });
    await Bun.sleep(pauseMs);
    flushed += this.#flushNeighbours();
    const gateway = [await lab.ping("c", GATEWAY4), await lab.ping("c", `${GATEWAY6}%eth0`)];
    const gatewayAnswers = gateway.every(({ received }) => received === 1);

    const start = performance.now();
    await this.#start();
    const restartMs = performance.now() - start;
    newFlows.counted = await this.#dropped(a.device, "no-controller");
    leaked.adopted = await this.#probe(probes, async () => void (await this.#allowedDatagram("adopted")));
    const again = [await lab.ping("a", b.ipv4), await lab.ping("a", b.ipv6)];
    const received = hashIn((await downloading).stdout);
    const [ipv4, ipv6] = [await pinging[0].end(), await pinging[1].end()];
    if (/got dead/.test(recorder.stdout)) newFlowsDelivered++;
    const stackAfter = this.#hostStack();
    return {
      linuxForwards,
      pings: { ipv4, ipv6 },
      download: { served, received },
      flushed,
      gatewayAnswers,
      newFlowsDelivered,
      newFlows,
      probes: probes.length,
      leaked,
      captureWorks: /got alive[\s\S]*got adopted/.test(recorder.stdout),
      hostStack: Object.fromEntries(Object.entries(stackAfter).map(([key, n]) => [key, n - (stackBefore[key] ?? 0)])),
      decidesAgain: again.every(({ received }) => received === 1),
      restartMs,
    };
  }

  /** Sends all probes from c, does `meanwhile`, and names those that arrived at a or b. */
  async #probe(probes: readonly Probe[], meanwhile: () => Promise<void>): Promise<string[]> {
    // The bulk of what is allowed is left out; a frame with a tag or an odd port is not.
    const filter = "not (tcp port 80 and not tcp port 54321)";
    using atA = await Capture.start(this.#lab, "a", "eth0", filter);
    using atB = await Capture.start(this.#lab, "b", "eth0", filter);
    const input = probes.map(({ frame }) => `${Buffer.from(frame).toString("hex")}\n`).join("");
    const program = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
for line in sys.stdin: s.send(bytes.fromhex(line))
`;
    const sent = await this.#lab.exec("c", [PYTHON, "-c", program], { input });
    if (sent.status !== 0) throw new Error(`Cannot send the probes: ${sent.stderr}`);
    await meanwhile();
    const frames: Uint8Array[] = [];
    for (const capture of [atA, atB]) {
      await capture.stop();
      frames.push(...capture.frames());
    }
    return probes.filter(({ needle }) => seen(frames, needle)).map(({ name }) => name);
  }

  #probes(): Probe[] {
    using netlink = this.#lab.netlink(NODE);
    const macOf = (device: string) => netlink.link(device)?.mac ?? "";
    return deniedProbes({ c: macOf(pods.c.device), b: macOf(b.device) }, live);
  }

  /** A datagram of a new flow that policy allows. */
  async #allowedDatagram(text: string): Promise<void> {
    const program = `
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), ("${b.ipv4}", ${ALLOWED_PORT}))
`;
    await this.#lab.exec("a", [PYTHON, "-c", program, text]);
    await Bun.sleep(50);
  }

  async #start(): Promise<void> {
    const path = join(this.#directory, "state.json");
    const from = [`${a.ipv4}/32`, `${a.ipv6}/128`];
    const allow = (proto: string, more: object) => ({ action: "allow", direction: "ingress", proto, from, ...more });
    const rules = [
      allow("tcp", { ports: [80] }),
      allow("udp", { ports: [ALLOWED_PORT] }),
      allow("icmp", { types: [8] }),
      allow("icmpv6", { types: [128] }),
    ];
    const guarded = { name: "guarded", default: { ingress: "deny", egress: "allow" }, rules };
    // Nobody may begin anything towards a.
    const closed = { name: "closed", default: { ingress: "deny", egress: "allow" } };
    const fields = { a: { policies: ["closed"] }, b: { policies: ["guarded"] } };
    const document = podsDocument(this.#lab, this.#hook, fields, { policies: [guarded, closed] });
    writeFileSync(path, JSON.stringify(document));
    const resumes = this.#controller !== undefined;
    const config = resumes ? [] : ["-c", path];
    const argv = [process.execPath, join(root, "server/cli/main.ts"), "--name", this.#instance, "serve", ...config];
    const controller = this.#lab.spawn(NODE, argv, { cwd: this.#directory });
    this.#controller = controller;
    await waitFor(
      async () => {
        if (!controller.running) throw new Error(`weir serve ended: ${controller.stderr}`);
        return (await this.#fetch("/readyz").catch(() => undefined))?.status === 200;
      },
      { timeoutMs: 30_000, what: "weir serve" },
    );
  }

  #fetch(path: string): Promise<Response> {
    return fetch(`http://weir${path}`, { unix: `/run/weir/${this.#instance}.sock` });
  }

  async #dropped(device: string, wanted: string): Promise<number> {
    const drops = (await (await this.#fetch("/v1/drops")).json()) as Drop[];
    return drops.find(({ interface: from, reason }) => from === device && reason === wanted)?.packets ?? 0;
  }

  async #serveIn(pod: string, program: string, ...args: readonly string[]): Promise<LabProcess> {
    const process = this.#lab.spawn(pod, [PYTHON, "-u", "-c", program, ...args]);
    await process.waitForOutput(/ready/, { timeoutMs: 10_000 });
    return process;
  }

  /** Forgets all neighbours of all pods. */
  #flushNeighbours(): number {
    let count = 0;
    for (const pod of Object.keys(pods)) {
      using netlink = this.#lab.netlink(pod);
      for (const neighbour of netlink.neighbours().filter(({ mac }) => mac !== undefined)) {
        netlink.deleteNeighbour(neighbour);
        count++;
      }
    }
    return count;
  }

  /** What the node's own stack counted. */
  #hostStack(): Record<string, number> {
    const { stdout } = this.#lab.execSync(NODE, ["nstat", "-asz", "--json"]);
    const { kernel } = JSON.parse(stdout) as { kernel: Record<string, number> };
    const names = ["IpInReceives", "IpForwDatagrams", "Ip6InReceives", "Ip6OutForwDatagrams", "Ip6InMcastPkts"];
    return Object.fromEntries(names.map((name) => [name, kernel[name] ?? 0]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controller?.kill("SIGKILL").catch(() => {});
    const down = ["nsenter", `--net=${this.#lab.path(NODE)}`, process.execPath, join(root, "server/cli/main.ts")];
    Bun.spawnSync([...down, "--name", this.#instance, "down"]);
    await this.#lab[Symbol.asyncDispose]();
    for (const path of [this.#directory, this.#files]) rmSync(path, { recursive: true, force: true });
  }
}

/** Echo requests of one flow until it is told to end. */
class SteadyPing {
  readonly #process: LabProcess;

  constructor(lab: Lab, address: string, identifier: number, intervalMs: number) {
    const argv = ["ping", "-n", "-i", String(intervalMs / 1000), "-e", String(identifier), address];
    this.#process = lab.spawn("a", argv);
  }

  /** Requests up to the last one that was answered (a later one may be under way), and those that were answered. */
  async end(): Promise<{ readonly sent: number; readonly received: number }> {
    const { stdout } = await this.#process.kill("SIGINT");
    const answered = new Set(Array.from(stdout.matchAll(/icmp_seq=(\d+) ttl=/g), ([, sequence]) => Number(sequence)));
    const transmitted = Number(stdout.match(/(\d+) packets transmitted/)?.[1] ?? 0);
    const last = Math.max(0, ...answered);
    return { sent: transmitted - last > 2 ? transmitted : last, received: answered.size };
  }
}

const hashIn = (text: string): string => text.split(" ")[0] ?? "";

interface Drop {
  readonly interface: string;
  readonly reason: string;
  readonly packets: number;
}
