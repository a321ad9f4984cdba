// SPDX-License-Identifier: Apache-2.0
/** Flows that policy leaves to the controller. */
import { WeirError } from "../../errors.ts";
import type { AskedFlow, AskVerdict, SlowPath } from "../../slowpath/index.ts";
import type { FlowLookup } from "../flows/decider.ts";
import { type FlowTreatment, treatmentOf } from "../flows/treatment.ts";
import type { FlowKey } from "../flows/types.ts";
import type { Names } from "../status/names.ts";

/** What a controller decides about a flow. Its `mirror` is, where none is named, that of the policy's rules. */
export interface Verdict extends FlowTreatment {
  /**
   * forward: both directions. nat: forward, and `translate` says as what. drop: silently. reject: the sender is told
   * (TCP RST, else ICMP).
   */
  readonly action: "forward" | "drop" | "reject" | "nat";
  /** VRF in which the (translated) destination is looked up. Default: the flow's. */
  readonly vrf?: string | undefined;
  /** True: an event `log`, as of a rule with `log`. Default false. */
  readonly log?: boolean | undefined;
}

/** A new flow that waits for its verdict. Up to three of its packets wait with it. */
export interface FlowMiss {
  readonly key: FlowKey;
  /** Interface that its first packet came from. */
  readonly interface: string;
  /** Unique for the flow's entry in the kernel. */
  readonly generation: number;
  /**
   * Its first packet, from the Ethernet header on: a view that is valid until the flow is decided. `copy` keeps it. Of
   * a packet that is longer than a frame of the slow path (1792 bytes) it is a copy already.
   */
  readonly frame: Uint8Array;
  copy(): Uint8Array;
  /**
   * Decides it, now or later. Only the first call counts, and none after the time-out.
   * @throws WeirError `EINVAL` for what names something that is not there or does not go together; then it waits on.
   */
  decide(verdict: Verdict): void;
}

/** Options of `onFlowMiss`. */
export interface FlowMissOptions {
  /** How long a flow may wait, 1 to 60000. Default 1000. */
  readonly timeoutMs?: number | undefined;
  /** What becomes of it then, and of all asked flows while there is no handler. Default `drop`. */
  readonly otherwise?: "forward" | "drop" | undefined;
}

/** Decides flows; gets those of one wake-up at once. */
export type FlowMissHandler = (misses: readonly FlowMiss[]) => void;

const DEFAULT_TIMEOUT_MS = 1000;
const MAX_TIMEOUT_MS = 60_000;

const OPERATION = "decide a flow";
const ACTIONS = ["forward", "drop", "reject", "nat"];

/** Hands asked flows to the one handler. */
export class FlowMisses {
  readonly #slowPath: SlowPath;
  readonly #names: Names;
  readonly #lookup: FlowLookup;
  readonly #onTimeout: (timeoutMs: number) => void;
  readonly #onMiss: (miss: FlowMiss) => void;
  #handler: FlowMissHandler | undefined;

  /**
   * @param onTimeout told the time-out, which the kernel's own must exceed.
   * @param onMiss told of each asked flow, for events.
   */
  constructor(
    slowPath: SlowPath,
    names: Names,
    lookup: FlowLookup,
    onTimeout: (timeoutMs: number) => void,
    onMiss: (miss: FlowMiss) => void,
  ) {
    this.#slowPath = slowPath;
    this.#names = names;
    this.#lookup = lookup;
    this.#onTimeout = onTimeout;
    this.#onMiss = onMiss;
  }

  /** @throws WeirError `EBUSY` when there is a handler, `EINVAL` */
  handle(handler: FlowMissHandler, o: FlowMissOptions): Disposable {
    const operation = "register a handler for flow misses";
    if (this.#handler !== undefined) {
      throw new WeirError({ code: "EBUSY", operation, reason: "there is one", hint: "dispose it first" });
    }
    const timeoutMs = o.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
      throw new WeirError({
        code: "EINVAL",
        operation,
        reason: `timeoutMs ${timeoutMs} is not 1 to ${MAX_TIMEOUT_MS}`,
      });
    }
    this.#handler = handler;
    this.#onTimeout(timeoutMs);
    this.#slowPath.onAsk((flows) => this.#hand(flows), { timeoutMs, otherwise: o.otherwise });
    return {
      [Symbol.dispose]: () => {
        if (this.#handler !== handler) return;
        this.#handler = undefined;
        this.#slowPath.onAsk(null, { timeoutMs, otherwise: o.otherwise });
      },
    };
  }

  #hand(flows: readonly AskedFlow[]): void {
    const misses = flows.map((flow) => this.#miss(flow));
    for (const miss of misses) this.#onMiss(miss);
    this.#handler?.(misses);
  }

  #miss(flow: AskedFlow): FlowMiss {
    return {
      key: this.#names.flowKey(flow.key),
      interface: this.#names.interface(flow.interfaceId),
      generation: flow.generation,
      frame: flow.frame,
      copy: () => flow.frame.slice(),
      decide: (verdict) => flow.decide(this.#asked(flow, verdict)),
    };
  }

  #asked(flow: AskedFlow, verdict: Verdict): AskVerdict {
    const { action, vrf, log } = verdict;
    const how = { actions: ACTIONS, vrf, operation: OPERATION };
    const { becomes, forward, reverse, mirror, reverseMirror, idleSeconds, single } = treatmentOf(
      this.#lookup,
      flow.key,
      verdict,
      how,
    );
    return {
      action: action === "nat" ? "forward" : action,
      becomes,
      way: forward,
      reverseNexthop: reverse?.nexthop,
      mirror,
      reverseMirror,
      idleSeconds,
      single,
      log,
    };
  }
}
