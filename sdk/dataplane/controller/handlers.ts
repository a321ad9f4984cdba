// SPDX-License-Identifier: Apache-2.0
/** The controller's handlers, and what becomes of their failures. */
import { configCodec } from "../../layout/index.ts";
import type { EventHub } from "../events/events.ts";
import type { SlowPathReports } from "../events/reports.ts";
import type { Opened } from "../instance/open.ts";
import { MatchTable } from "../kernel/match_table.ts";
import { RouteLookup } from "../reconcile/route_lookup.ts";
import { FlowMisses } from "./flow_miss.ts";
import { HandlerErrors } from "./handler_errors.ts";
import { WorkerModules } from "./handler_module.ts";
import type { FromModule } from "./module_messages.ts";
import { Packets } from "./packets.ts";

/** Calls of handlers that failed: they threw, or their promises were rejected. */
export interface HandlerFailures {
  readonly flowMiss: number;
  readonly packet: number;
}

/** A hold entry of the kernel must outlive the handler's time-out, or packets would ask anew. */
const HOLD_MARGIN_MS = 1000;

/** What takes flows and packets. */
export class Handlers implements Disposable {
  readonly misses: FlowMisses;
  readonly packets: Packets;
  readonly #parts: Opened;
  readonly #modules: WorkerModules;
  readonly #matches: MatchTable;
  readonly #missErrors: HandlerErrors;
  readonly #packetErrors: HandlerErrors;

  constructor(parts: Opened, events: EventHub, reports: SlowPathReports) {
    const { slowPath, names, tables, ids, takenTraps } = parts;
    const told = (handler: "flow-miss" | "packet", reason: string, worker?: number): void => {
      events.emit({ kind: "handler-error", handler, ...(worker === undefined ? {} : { worker }), reason });
      const where = worker === undefined ? "" : ` in slow-path worker ${worker}`;
      reports.onFailure(`the ${handler} handler${where} failed: ${reason}`);
    };
    this.#parts = parts;
    this.#missErrors = new HandlerErrors((reason) => told("flow-miss", reason));
    this.#packetErrors = new HandlerErrors((reason) => told("packet", reason));
    this.#modules = new WorkerModules(slowPath, tables, ids, (worker, reason) => told("flow-miss", reason, worker));
    this.misses = new FlowMisses({
      slowPath,
      names,
      lookup: new RouteLookup(tables, ids),
      modules: this.#modules,
      errors: this.#missErrors,
      onTimeout: (timeoutMs) => configCodec.holdTimeoutMs.set(tables.config.view, 0, timeoutMs + HOLD_MARGIN_MS),
      onMiss: ({ key, interface: from }) => events.emit({ kind: "flow-miss", interface: from, flow: key }),
      events,
    });
    this.#matches = new MatchTable(tables.matches, tables.maps.match_limits, ids);
    this.packets = new Packets({
      slowPath,
      takenTraps,
      matches: this.#matches,
      names,
      errors: this.#packetErrors,
      onPacket: ({ trap, interface: from, length }) => events.emit({ kind: "packet", interface: from, trap, length }),
    });
    reports.onModule = (worker, message) => this.#modules.receive(worker, message as FromModule);
    events.addSource((kinds) => (kinds.includes("flow-miss") ? this.#tellMisses() : { [Symbol.dispose]() {} }));
  }

  get failures(): HandlerFailures {
    const inWorkers = this.#parts.slowPath.stats().counters.handlerErrors;
    return { flowMiss: this.#missErrors.count + inWorkers, packet: this.#packetErrors.count };
  }

  #readers = 0;

  /** Has handlers in the workers told of, while somebody reads of it. */
  #tellMisses(): Disposable {
    const { slowPath } = this.#parts;
    if (this.#readers++ === 0) slowPath.setTellMisses(true);
    return {
      [Symbol.dispose]: () => {
        if (--this.#readers === 0) slowPath.setTellMisses(false);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#modules[Symbol.dispose]();
    this.#matches[Symbol.dispose]();
  }
}
