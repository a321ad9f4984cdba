// SPDX-License-Identifier: Apache-2.0
/** Who decides the flows that policy leaves to the controller. */

import type { URL } from "node:url";
import { WeirError } from "../../errors.ts";
import type { AskedFlow, SlowPath } from "../../slowpath/index.ts";
import type { EventHub } from "../events/events.ts";
import type { FlowLookup } from "../flows/decider.ts";
import type { Names } from "../status/names.ts";
import { type HandlerErrors, watched } from "./handler_errors.ts";
import { type FlowMissModule, type ModuleLocation, moduleUrl, type WorkerModules } from "./handler_module.ts";
import { type FlowMiss, type FlowMissHandler, Miss, type MissContext } from "./miss.ts";

/** Options of `onFlowMiss`. */
export interface FlowMissOptions {
  /** How long a flow may wait, 1 to 60000. Default 1000. */
  readonly timeoutMs?: number | undefined;
  /** What becomes of it then, of all asked flows while there is no handler, and of those at which it failed. Default `drop`. */
  readonly otherwise?: "forward" | "drop" | undefined;
}

/** What the registrations work with. */
export interface FlowMissesOptions {
  readonly slowPath: SlowPath;
  readonly names: Names;
  readonly lookup: FlowLookup;
  readonly modules: WorkerModules;
  /** Of handlers on this thread. */
  readonly errors: HandlerErrors;
  /** Told the time-out, which the kernel's own must exceed. */
  readonly onTimeout: (timeoutMs: number) => void;
  readonly events: Pick<EventHub, "wanted">;
  /** Told of each flow that this thread is asked about while somebody reads of them. */
  readonly onMiss: (miss: FlowMiss) => void;
}

/** Options with their defaults. */
interface Ask extends FlowMissOptions {
  readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_MS = 1000;
const MAX_TIMEOUT_MS = 60_000;
const OPERATION = "register a handler for flow misses";

/** Hands asked flows to the one handler, or has the workers do it. */
export class FlowMisses {
  readonly #o: FlowMissesOptions;
  readonly #context: MissContext;
  /** Stands for the registration in force. */
  #current: object | undefined;

  constructor(o: FlowMissesOptions) {
    this.#o = o;
    this.#context = { names: o.names, lookup: o.lookup };
  }

  /** @throws WeirError `EBUSY` when there is a handler, `EINVAL` */
  handle(handler: FlowMissHandler, o: FlowMissOptions): Disposable {
    const ask = this.#register(handler, o);
    this.#o.slowPath.onAsk((flows) => this.#hand(handler, flows), ask);
    return { [Symbol.dispose]: () => this.#end(handler, ask) };
  }

  /** @throws WeirError `EBUSY` when there is a handler, `EINVAL` */
  handleInWorkers(module: ModuleLocation, o: FlowMissOptions): FlowMissModule {
    let url = moduleUrl(module);
    const registration = {};
    const ask = this.#register(registration, o);
    const { modules, slowPath } = this.#o;
    slowPath.onAsk("workers", ask);
    let newest: object | undefined;
    const load = async (from: URL): Promise<void> => {
      const attempt = {};
      newest = attempt;
      const version = await modules.load(from);
      if (this.#current !== registration) throw gone();
      if (newest !== attempt) {
        modules.forget(version);
        return;
      }
      url = from;
      modules.use(version, ask.timeoutMs);
    };
    const end = (): void => {
      if (this.#end(registration, ask)) modules.end();
    };
    const ready = load(url);
    // Also where nobody waits for it.
    ready.catch((error) => {
      end();
      this.#o.errors.failed(error);
    });
    return {
      ready,
      reload: async (next = url) => {
        if (this.#current !== registration) throw gone();
        await load(moduleUrl(next));
      },
      [Symbol.dispose]: end,
    };
  }

  #register(registration: object, o: FlowMissOptions): Ask {
    if (this.#current !== undefined) {
      throw new WeirError({ code: "EBUSY", operation: OPERATION, reason: "there is one", hint: "dispose it first" });
    }
    const timeoutMs = o.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
      const reason = `timeoutMs ${timeoutMs} is not 1 to ${MAX_TIMEOUT_MS}`;
      throw new WeirError({ code: "EINVAL", operation: OPERATION, reason });
    }
    this.#current = registration;
    this.#o.onTimeout(timeoutMs);
    return { timeoutMs, otherwise: o.otherwise };
  }

  /** False if it was over already. */
  #end(registration: object, ask: FlowMissOptions): boolean {
    if (this.#current !== registration) return false;
    this.#current = undefined;
    this.#o.slowPath.onAsk(null, ask);
    return true;
  }

  #hand(handler: FlowMissHandler, flows: readonly AskedFlow[]): void {
    const misses = flows.map((flow) => new Miss(flow, this.#context));
    if (this.#o.events.wanted("flow-miss")) for (const miss of misses) this.#o.onMiss(miss);
    watched(
      () => handler(misses),
      this.#o.errors,
      () => {
        for (const miss of misses) miss.giveUp();
      },
    );
  }
}

const gone = (): WeirError =>
  new WeirError({ code: "ECLOSED", operation: "load a handler for flow misses", reason: "it was disposed" });
