// SPDX-License-Identifier: Apache-2.0
/** A controller's module in a worker's thread: it is imported here, and gets the flows of each poll. */
import { interfaceLayout } from "../../layout/index.ts";
import { BpfMap } from "../../libbpf/index.ts";
import type { AskedFlow } from "../../slowpath/index.ts";
import type { Attention, WorkerHandler, WorkerPort } from "../../slowpath/worker_loop.ts";
import { MemberTable } from "../kernel/member_table.ts";
import { NexthopTable } from "../kernel/nexthop_table.ts";
import { StructArray } from "../kernel/struct_array.ts";
import { RouteLookup } from "../reconcile/route_lookup.ts";
import { type IdChanges, Ids } from "../state/ids.ts";
import { Names } from "../status/names.ts";
import { HandlerErrors, messageOf, watched } from "./handler_errors.ts";
import { type FlowMissHandler, Miss, type MissContext } from "./miss.ts";
import type { FromModule, RoutingMapIds, ToModule } from "./module_messages.ts";

/** No policy is asked for names of rules here. */
const NO_RULES = { rule: () => undefined };

/** Flows that were handed out together. */
class Batch {
  #left: number;
  #over: (() => void) | undefined;

  constructor(flows: number) {
    this.#left = flows;
  }

  get isDecided(): boolean {
    return this.#left === 0;
  }

  decided(): void {
    if (--this.#left === 0) this.#over?.();
  }

  /** Calls `over` once: when all are decided, or nothing more counts, because the time is up. */
  whenOver(timeoutMs: number, over: () => void): void {
    const end = (): void => {
      clearTimeout(timer);
      this.#over = undefined;
      over();
    };
    const timer = setTimeout(end, timeoutMs);
    this.#over = end;
  }
}

/** Imports modules and hands flows to the one in use. */
export class ModuleHandler implements WorkerHandler {
  readonly #port: WorkerPort;
  readonly #errors: HandlerErrors;
  readonly #stack = new DisposableStack();
  readonly #loaded = new Map<number, FlowMissHandler>();
  #ids = new Ids(1, 1, 1);
  #tables: Pick<MissContext, "names" | "lookup"> | undefined;
  #handler: FlowMissHandler | undefined;
  #timeoutMs = 0;
  /** Imports under way, and batches that are not wholly decided. */
  #pending = 0;

  constructor(port: WorkerPort) {
    this.#port = port;
    this.#errors = new HandlerErrors((reason) => this.#answer({ kind: "failed", reason }));
  }

  get ready(): boolean {
    return this.#handler !== undefined;
  }

  get attention(): Attention {
    if (this.#pending > 0) return "all";
    return this.#handler === undefined ? "none" : "some";
  }

  #answer(message: FromModule): void {
    this.#port.post(message);
  }

  receive(data: unknown): void {
    const message = data as ToModule;
    switch (message.kind) {
      case "begin":
        this.#begin(message.maps, message.limits, message.names);
        break;
      case "names":
        this.#rename(message.names);
        break;
      case "load":
        void this.#load(message.version, message.url);
        break;
      case "use":
        this.#handler = this.#loaded.get(message.version);
        this.#timeoutMs = message.timeoutMs;
        this.#loaded.clear();
        break;
      case "forget":
        this.#loaded.delete(message.version);
        break;
      case "end":
        this.#handler = undefined;
        break;
    }
  }

  #begin(maps: RoutingMapIds, limits: readonly [number, number, number], names: IdChanges): void {
    this.#ids = new Ids(...limits);
    this.#rename(names);
    const open = (id: number): BpfMap => this.#stack.use(BpfMap.fromId(id));
    const memory = (map: BpfMap): ArrayBuffer => this.#stack.use(map.mmap({ readOnly: true })).view;
    const [nexthops, members, interfaces] = [open(maps.nexthops), open(maps.members), open(maps.interfaces)];
    const lookup = new RouteLookup(
      {
        maps: { routes4: open(maps.routes4), routes6: open(maps.routes6) },
        nexthops: new NexthopTable(memory(nexthops), nexthops.maxEntries),
        members: new MemberTable(memory(members), members.maxEntries),
        interfaces: new StructArray(memory(interfaces), interfaceLayout.size, interfaces.maxEntries),
      },
      this.#ids,
    );
    this.#tables = { names: new Names(this.#ids, NO_RULES), lookup };
  }

  #rename({ taken, freed }: IdChanges): void {
    for (const { space, name } of freed) this.#ids[space].free(name);
    for (const { space, name, id } of taken) this.#ids[space].set(name, id);
  }

  async #load(version: number, url: string): Promise<void> {
    this.#pending++;
    try {
      const { onFlowMiss } = (await import(url)) as { onFlowMiss?: unknown };
      if (typeof onFlowMiss !== "function") throw new Error("it exports no function onFlowMiss");
      this.#loaded.set(version, onFlowMiss as FlowMissHandler);
      this.#answer({ kind: "loaded", version });
    } catch (error) {
      this.#answer({ kind: "refused", version, reason: messageOf(error) });
    } finally {
      this.#pending--;
    }
  }

  ask(flows: readonly AskedFlow[]): void {
    const handler = this.#handler;
    const tables = this.#tables;
    if (handler === undefined || tables === undefined) return;
    const batch = new Batch(flows.length);
    const context: MissContext = { ...tables, onDecided: () => batch.decided() };
    const misses = flows.map((flow) => new Miss(flow, context));
    watched(
      () => handler(misses),
      this.#errors,
      () => {
        this.#port.countError();
        for (const miss of misses) miss.giveUp();
      },
    );
    if (batch.isDecided) return;
    // Meanwhile the event loop has all the time that packets leave.
    this.#pending++;
    batch.whenOver(this.#timeoutMs, () => {
      this.#pending--;
    });
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}
