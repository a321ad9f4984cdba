// SPDX-License-Identifier: Apache-2.0
/** The façade: HTTP resources over a data plane (contract §4). One route file a resource; a new one is a line here. */

import { Hono } from "hono";
import { authenticate, type Tokens } from "./auth.ts";
import type { Facade, FacadeEnv } from "./facade.ts";
import { mountOpenApi } from "./openapi.ts";
import { notFound, problemOf } from "./problem.ts";
import { drops } from "./routes/drops.ts";
import { events } from "./routes/events.ts";
import { fdb } from "./routes/fdb.ts";
import { flows } from "./routes/flows.ts";
import { health } from "./routes/health.ts";
import { interfaces } from "./routes/interfaces.ts";
import { labels } from "./routes/labels.ts";
import { later } from "./routes/later.ts";
import { mirrors } from "./routes/mirrors.ts";
import { nexthops } from "./routes/nexthops.ts";
import { policies } from "./routes/policies.ts";
import { qos } from "./routes/qos.ts";
import { routes } from "./routes/routes.ts";
import { sets } from "./routes/sets.ts";
import { shutdown } from "./routes/shutdown.ts";
import { state } from "./routes/state.ts";
import { stats } from "./routes/stats.ts";
import { trace } from "./routes/trace.ts";
import { vnis } from "./routes/vnis.ts";
import { vrfs } from "./routes/vrfs.ts";

/** Builds the app. `tokens` are those of the TCP listener; without them only the unix socket is answered. */
export function createApp(facade: Facade, tokens?: Tokens) {
  const base = new Hono<FacadeEnv>().use(authenticate(tokens));
  base.onError(problemOf);
  base.notFound(notFound);
  const app = base
    .route("/", health(facade))
    .route("/", state(facade))
    .route("/v1/vrfs", vrfs(facade))
    .route("/v1/interfaces", interfaces(facade))
    .route("/v1/nexthops", nexthops(facade))
    .route("/v1/labels", labels(facade))
    .route("/v1/vnis", vnis(facade))
    .route("/v1/policies", policies(facade))
    .route("/v1/mirrors", mirrors(facade))
    .route("/v1/sets", sets(facade))
    .route("/v1/qos", qos(facade))
    .route("/", routes(facade))
    .route("/", fdb(facade))
    .route("/", flows(facade))
    .route("/", drops(facade))
    .route("/", events(facade))
    .route("/", trace(facade))
    .route("/", stats(facade))
    .route("/", shutdown(facade))
    .route("/", later(facade));
  mountOpenApi(base, facade.version);
  return app;
}

/** The app's type, from which `hc<App>` of hono/client makes a typed client. */
export type App = ReturnType<typeof createApp>;
