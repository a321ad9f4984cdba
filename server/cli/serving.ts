// SPDX-License-Identifier: Apache-2.0
/** The life of `weir serve`: listen, open the data plane, apply the state, answer until told to stop, close. */

import { createApp } from "../app.ts";
import type { Tokens } from "../auth.ts";
import type { FacadeDataPlane } from "../dataplane.ts";
import type { Endpoint } from "../endpoint.ts";
import { type Ending, Facade } from "../facade.ts";
import { type Listener, listen } from "../transport.ts";

/** A data plane that this process owns. */
export interface OwnedDataPlane extends FacadeDataPlane {
  /** Ends the process's part; the kernel forwards on. */
  close(): Promise<void>;
  /** Takes everything away, the state too. */
  destroy(): Promise<void>;
}

/** What {@link serveUntil} is called with. */
export interface ServingOptions {
  readonly instance: string;
  readonly version: string;
  /** Where to listen, at least one. */
  readonly endpoints: readonly Endpoint[];
  /** Tokens of TCP listeners. */
  readonly tokens?: Tokens | undefined;
  /** Opens the data plane with its persisted state. */
  readonly open: () => Promise<OwnedDataPlane>;
  /** Applies the state that the process was started with, if any. */
  readonly prepare?: ((dataPlane: OwnedDataPlane) => Promise<void>) | undefined;
  /** Told once the state is applied. */
  readonly onReady?: (endpoints: readonly Endpoint[]) => void;
  /** Ends the serving in good order, as `POST /v1/shutdown` does. */
  readonly signal: AbortSignal;
}

/** Serves until `signal` or a request ends it. What fails on the way is thrown, with everything closed again. */
export async function serveUntil(o: ServingOptions): Promise<void> {
  const stopped = Promise.withResolvers<Ending>();
  o.signal.addEventListener("abort", () => stopped.resolve("close"));
  const facade = new Facade({ version: o.version, instance: o.instance, onShutdown: stopped.resolve });
  const app = createApp(facade, o.tokens);
  await using cleanup = new AsyncDisposableStack();
  const listeners: Listener[] = [];
  let dataPlane: OwnedDataPlane | undefined;
  // Runs from the last to the first: the data plane closes after the requests that still use it.
  let ending: Ending = "close";
  cleanup.defer(async () => await dataPlane?.[ending]());
  cleanup.defer(async () => {
    facade.endStreams();
    await Promise.all(listeners.map((listener) => listener.stop()));
    facade.detach();
  });
  for (const endpoint of o.endpoints) {
    listeners.push(await listen(endpoint, (request, local) => app.fetch(request, { local })));
  }
  dataPlane = await o.open();
  if (o.signal.aborted) return;
  facade.attach(dataPlane);
  // An instance without any state yet was made just now: a first state that fails leaves nothing behind.
  if (dataPlane.revision === 0) ending = "destroy";
  await o.prepare?.(dataPlane);
  ending = "close";
  facade.setReady();
  o.onReady?.(listeners.map((listener) => listener.endpoint));
  ending = await stopped.promise;
}
