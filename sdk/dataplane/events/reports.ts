// SPDX-License-Identifier: Apache-2.0
/** What the slow path tells of by itself, as events. */
import type { DropEvent, SlowPathEvent } from "../../slowpath/index.ts";
import type { Reports } from "../instance/open.ts";
import type { Names } from "../status/names.ts";
import { emitSlowPathDrop } from "./drop_samples.ts";
import type { EventHub } from "./events.ts";

/** Listens to the slow path from its start; names are known a little later. */
export class SlowPathReports implements Reports {
  names: Names | undefined;
  readonly onFailure: (reason: string) => void;
  readonly onLog: (event: SlowPathEvent) => void;
  readonly onDrop: (event: DropEvent) => void;
  readonly onLost: (count: number) => void;
  readonly onMiss: (event: SlowPathEvent) => void;
  readonly onMessage: (worker: number, message: unknown) => void;
  /** Told what handler modules in the workers say. */
  onModule: ((worker: number, message: unknown) => void) | undefined;

  constructor(events: EventHub, onFailure: ((reason: string) => void) | undefined) {
    this.onFailure = onFailure ?? ((reason) => process.emitWarning(reason, "WeirWarning"));
    this.onLog = (event) => {
      const { names } = this;
      if (names === undefined || event.key === undefined || !events.wanted("log")) return;
      const from = names.interface(event.interfaceId);
      events.emit({ kind: "log", interface: from, flow: names.flowKey(event.key), ...names.rule(event.rule) });
    };
    this.onMiss = (event) => {
      const { names } = this;
      if (names === undefined || event.key === undefined) return;
      const from = names.interface(event.interfaceId);
      events.emit({ kind: "flow-miss", interface: from, flow: names.flowKey(event.key) });
    };
    this.onMessage = (worker, message) => this.onModule?.(worker, message);
    this.onDrop = (event) => {
      const { names } = this;
      if (names === undefined || !events.wanted("drop")) return;
      emitSlowPathDrop(events, names, event);
    };
    // Of what kind they were is not known: there was no room to say it.
    this.onLost = (count) => events.lose(["flow-miss", "packet", "log", "drop"], count);
  }
}
