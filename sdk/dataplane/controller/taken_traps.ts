// SPDX-License-Identifier: Apache-2.0
import { interfaceCodec, type TrapReason, TrapReasonValue } from "../../layout/index.ts";
import type { LiveInterfaces } from "../device/live_interfaces.ts";
import type { StructArray } from "../kernel/struct_array.ts";

/** Raised by the kernel programs only where the controller takes them (`traps` of struct interface). */
const ONLY_WHERE_TAKEN: ReadonlySet<TrapReason> = new Set(["ip-learn", "source-mismatch", "bfd"]);

interface Taken {
  readonly bit: number;
  /** `undefined`: of all interfaces. */
  readonly interface: string | undefined;
}

/** Which traps the controller takes of which interfaces, of those that are not raised for anybody else. */
export class TakenTraps {
  readonly #interfaces: StructArray;
  readonly #live: LiveInterfaces;
  readonly #taken = new Set<Taken>();

  constructor(interfaces: StructArray, live: LiveInterfaces) {
    this.#interfaces = interfaces;
    this.#live = live;
  }

  /** Has the kernel programs raise a trap, of one interface or of all, until the result is disposed. */
  take(reason: TrapReason, from: string | undefined): Disposable {
    if (!ONLY_WHERE_TAKEN.has(reason)) return { [Symbol.dispose]() {} };
    return this.#take({ bit: 1 << TrapReasonValue[reason], interface: from });
  }

  /** Has them compare the packets of an interface, or of all, with what is declared (`packet_matches`). */
  match(from: string | undefined): Disposable {
    return this.#take({ bit: 1 << TrapReasonValue.user, interface: from });
  }

  #take(taken: Taken): Disposable {
    this.#taken.add(taken);
    this.#write();
    return {
      [Symbol.dispose]: () => {
        if (this.#taken.delete(taken)) this.#write();
      },
    };
  }

  /** `traps` of an interface. */
  of(name: string): number {
    let bits = 0;
    for (const { bit, interface: from } of this.#taken) if (from === undefined || from === name) bits |= bit;
    return bits;
  }

  #write(): void {
    const { view } = this.#interfaces;
    for (const [name, { id, record }] of this.#live) {
      if (record !== undefined) interfaceCodec.traps.set(view, this.#interfaces.at(id), this.of(name));
    }
  }
}
