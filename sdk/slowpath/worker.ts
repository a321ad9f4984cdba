// SPDX-License-Identifier: Apache-2.0
/** The thread of a worker without handlers of its own. */

import { serveWorker } from "./worker_loop.ts";

serveWorker();
