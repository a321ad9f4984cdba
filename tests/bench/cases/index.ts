// SPDX-License-Identifier: Apache-2.0
/** The benchmarks, in the order in which they run. */

import type { Benchmark } from "../harness/benchmark.ts";
import { tcpSameNode } from "./tcp-same-node.ts";

export const benchmarks: readonly Benchmark[] = [tcpSameNode];
