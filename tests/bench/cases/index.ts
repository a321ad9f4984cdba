// SPDX-License-Identifier: Apache-2.0
/** The benchmarks, in the order in which they run. */

import type { Benchmark } from "../harness/benchmark.ts";
import { afXdpReceive } from "./af-xdp-receive.ts";
import { askedFlows } from "./asked-flows.ts";
import { flowHitCost } from "./flow-hit-cost.ts";
import { flowSetup } from "./flow-setup.ts";
import { flowSweep } from "./flow-sweep.ts";
import { newFlows } from "./new-flows.ts";
import { noisyNeighbour } from "./noisy-neighbour.ts";
import { overlayTcp } from "./overlay-tcp.ts";
import { overlayUdp } from "./overlay-udp.ts";
import { policyChange } from "./policy-change.ts";
import { policyClassifier } from "./policy-classifier.ts";
import { routes100k } from "./routes-100k.ts";
import { scale } from "./scale.ts";
import { tcpSameNode } from "./tcp-same-node.ts";
import { tunnelCost } from "./tunnel-cost.ts";
import { udpXdp } from "./udp-xdp.ts";
import { wakeUp } from "./wake-up.ts";

export const benchmarks: readonly Benchmark[] = [
  tcpSameNode,
  udpXdp,
  overlayTcp,
  overlayUdp,
  afXdpReceive,
  wakeUp,
  flowHitCost,
  tunnelCost,
  flowSweep,
  newFlows,
  flowSetup,
  askedFlows,
  noisyNeighbour,
  policyClassifier,
  policyChange,
  routes100k,
  scale,
];
