// SPDX-License-Identifier: Apache-2.0
/** What the routes share: the data plane once it is there, readiness, and the way to end the process. */

import type { FacadeDataPlane } from "./dataplane.ts";
import { ProblemError } from "./problem.ts";

/** Hono's environment: what the listener says about a request. */
export interface FacadeEnv {
  Bindings: {
    /** True if the request came by the unix socket, whose file mode is the permission. */
    readonly local: boolean;
  };
}

/** How a process ends: the kernel forwards on, or everything is taken away. */
export type Ending = "close" | "destroy";

/** State of the façade between start and end. */
export class Facade {
  /** Version of the `weir` command. */
  readonly version: string;
  /** Name of the instance. */
  readonly instance: string;
  #dataPlane: FacadeDataPlane | undefined;
  #ready = false;
  readonly #onShutdown: (how: Ending) => void;
  readonly #ending = new AbortController();

  constructor(o: { readonly version: string; readonly instance: string; readonly onShutdown: (how: Ending) => void }) {
    this.version = o.version;
    this.instance = o.instance;
    this.#onShutdown = o.onShutdown;
  }

  /** True once the state given or persisted is applied. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Serves `dataPlane` from now on. */
  attach(dataPlane: FacadeDataPlane): void {
    this.#dataPlane = dataPlane;
  }

  /** The state is applied: `/readyz` answers 200. */
  setReady(): void {
    this.#ready = true;
  }

  /** Aborted when answers without an end are to end. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Ends the answers that would go on for ever: the process waits for requests before it ends. */
  endStreams(): void {
    this.#ending.abort();
  }

  /** The data plane is about to close: requests are answered 503 again. */
  detach(): void {
    this.#ready = false;
    this.#dataPlane = undefined;
  }

  /** The data plane; 503 before it is open and after it is closed. */
  get dataPlane(): FacadeDataPlane {
    if (this.#dataPlane !== undefined) return this.#dataPlane;
    throw new ProblemError(503, `Cannot use instance "${this.instance}": it is starting or ending; try again`, {
      code: "ENOTREADY",
      headers: { "retry-after": "1" },
    });
  }

  /** Ends the process in good order, after the response is out. */
  shutdown(how: Ending): void {
    this.#onShutdown(how);
  }
}
