// SPDX-License-Identifier: Apache-2.0
/** The thread of a worker in which a controller's module may decide flows. */
import { serveWorker } from "../../slowpath/worker_loop.ts";
import { ModuleHandler } from "./worker_handler.ts";

serveWorker((port) => new ModuleHandler(port));
