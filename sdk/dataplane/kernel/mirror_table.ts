// SPDX-License-Identifier: Apache-2.0
/** Mirrors as the kernel has them, and which of them interfaces name. */
import {
  INTERFACE_MIRROR,
  interfaceCodec,
  interfaceLayout,
  mirrorCodec,
  mirrorLayout,
  WEIR_MAX_MIRRORS,
} from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Undo } from "../state/undo.ts";
import { element } from "./element.ts";
import { type LabelTag, labelOf, routeFlagsOf } from "./label_tag.ts";
import { encodeU32 } from "./records.ts";
import { StructArray } from "./struct_array.ts";

/** What the kernel knows of a mirror (`struct mirror`). */
export interface MirrorRecord {
  readonly id: number;
  readonly nexthop: number;
  readonly tag: LabelTag;
  /** Bytes of a frame; 0: all. */
  readonly truncate: number;
}

/** Mirrors of an interface; 0: none. */
export interface InterfaceMirrors {
  readonly received: number;
  readonly sent: number;
}

/** `mirrors`, and the fields of `interfaces` that name them. */
export class MirrorTable extends StructArray {
  readonly #interfaces: StructArray;
  readonly #counters: BpfMap;

  constructor(memory: ArrayBuffer, interfaces: StructArray, counters: BpfMap) {
    super(memory, mirrorLayout.size, WEIR_MAX_MIRRORS);
    this.#interfaces = interfaces;
    this.#counters = counters;
  }

  set({ id, nexthop, tag, truncate }: MirrorRecord, undo: Undo): void {
    const { bytes, view } = element(mirrorLayout.size);
    mirrorCodec.nexthop.set(view, 0, nexthop);
    mirrorCodec.label.set(view, 0, labelOf(tag));
    mirrorCodec.flags.set(view, 0, routeFlagsOf(tag));
    mirrorCodec.truncate.set(view, 0, truncate);
    this.write(id, bytes, undo);
  }

  /** Sets the counters of a new mirror to zero: its number may have been another's. */
  clearCounters(id: number): void {
    this.#counters.update(encodeU32(id), new Uint8Array(this.#counters.valueBytes));
  }

  /** Says which mirrors get copies of an interface's packets. The rest of its record stays. */
  attach(interfaceId: number, { received, sent }: InterfaceMirrors, undo: Undo): void {
    const { view } = this.#interfaces;
    const base = this.#interfaces.at(interfaceId);
    const before = {
      received: interfaceCodec.mirrorReceived.get(view, base),
      sent: interfaceCodec.mirrorSent.get(view, base),
    };
    if (before.received === received && before.sent === sent) return;
    undo.push(() => this.#write(base, before));
    this.#write(base, { received, sent });
  }

  /** The kernel programs may set a flag of their own meanwhile: one step, by the word that it is in. */
  #write(base: number, { received, sent }: InterfaceMirrors): void {
    const { view, bytes } = this.#interfaces;
    interfaceCodec.mirrorReceived.set(view, base, received);
    interfaceCodec.mirrorSent.set(view, base, sent);
    const words = new Int32Array(bytes.buffer);
    const at = (base + interfaceLayout.offsets.flags) / Int32Array.BYTES_PER_ELEMENT;
    if (received !== 0 || sent !== 0) Atomics.or(words, at, INTERFACE_MIRROR);
    else Atomics.and(words, at, ~INTERFACE_MIRROR);
  }
}
