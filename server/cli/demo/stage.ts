// SPDX-License-Identifier: Apache-2.0
/** What the demo plays on: a lab of pods, a controller process on its node, and an HTTP server in pod b. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabProcess, NODE, waitFor } from "../../../sdk/lab/index.ts";
import type { DropCounter } from "../../dataplane.ts";
import { socketOf } from "../../endpoint.ts";
import { Client } from "../client.ts";
import { Failure } from "../failure.ts";
import { weirCommand } from "../self.ts";
import { startDownloadServer } from "./download_server.ts";
import { demoState } from "./state.ts";

/** Instance and lab of the demo; a real instance is not disturbed. */
export const DEMO_INSTANCE = "demo";
const PREFIX = "weir-demo-";
const READY_TIMEOUT_MS = 30_000;

/** One direction of a flow, as `GET /v1/flows` gives it. */
export interface FlowRow {
  readonly proto: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly action: string;
  readonly state: string;
  readonly packets: number;
}

/** An interface with its counters, as `GET /v1/interfaces` gives it. */
export interface InterfaceRow {
  readonly name: string;
  readonly status: { readonly hook?: string; readonly counters: Readonly<Record<string, number>> };
}

export class Stage implements AsyncDisposable {
  readonly lab: Lab;
  readonly client = new Client(socketOf(DEMO_INSTANCE));
  readonly #directory = mkdtempSync(join(tmpdir(), "weir-demo-"));
  readonly #server: Server;
  #controller: LabProcess | undefined;

  constructor() {
    this.lab = Lab.create("pods", { prefix: PREFIX, replace: true });
    this.#server = this.lab.run("b", startDownloadServer);
  }

  /** The controller process. */
  get controller(): LabProcess {
    if (this.#controller === undefined) throw new Failure("Cannot go on with the demo: its controller is not running");
    return this.#controller;
  }

  get stateFile(): string {
    return join(this.#directory, "state.json");
  }

  /** Starts `weir serve` on the node, with the demo's state or with the persisted one. */
  async startController(o: { readonly resume: boolean }): Promise<void> {
    writeFileSync(this.stateFile, JSON.stringify(demoState((pod) => this.lab.netns(pod.name))));
    const config = o.resume ? [] : ["-c", this.stateFile];
    const controller = this.lab.spawn(NODE, weirCommand(["--name", DEMO_INSTANCE, "serve", ...config]));
    this.#controller = controller;
    await waitFor(
      async () => {
        if (!controller.running) throw new Failure(controller.stderr.trim().replace(/^weir: /, ""));
        return this.client.response("GET", "/readyz").then(
          () => true,
          () => false,
        );
      },
      { timeoutMs: READY_TIMEOUT_MS, intervalMs: 50, what: "the demo's controller" },
    );
  }

  /** `weir --name demo ...args` on the node. */
  async weir(...args: string[]): Promise<string> {
    const command = weirCommand(["--name", DEMO_INSTANCE, ...args]);
    const { status, stdout, stderr } = await this.lab.exec(NODE, command, { timeoutMs: READY_TIMEOUT_MS });
    if (status !== 0) throw new Failure(stderr.trim().replace(/^weir: /, ""));
    return stdout;
  }

  drops(): Promise<DropCounter[]> {
    return this.client.json<DropCounter[]>("GET", "/v1/drops");
  }

  flows(): Promise<FlowRow[]> {
    return this.client.json<FlowRow[]>("GET", "/v1/flows");
  }

  interfaces(): Promise<InterfaceRow[]> {
    return this.client.list<InterfaceRow>("/v1/interfaces");
  }

  /** Forgets all neighbours of a pod, as `ip neigh flush all` does. */
  flushNeighbours(pod: string): number {
    using netlink = this.lab.netlink(pod);
    const neighbours = netlink.neighbours().filter(({ mac }) => mac !== undefined);
    for (const neighbour of neighbours) netlink.deleteNeighbour(neighbour);
    return neighbours.length;
  }

  /** Lets go of what this process holds, and leaves lab and data plane running. */
  async leave(): Promise<void> {
    await this.#stopServer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopServer();
    await this.weir("down").catch(() => {});
    await this.lab[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #stopServer(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
