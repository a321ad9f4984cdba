// SPDX-License-Identifier: Apache-2.0
/** Packets that the controller has declared its own, as the kernel programs know them. */
import { MAPPED_OFFSET, type Prefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import {
  MATCH_DESTINATION,
  MATCH_DESTINATION_PORT,
  MATCH_ETHERTYPE,
  MATCH_FAMILY,
  MATCH_ICMP_TYPE,
  MATCH_INTERFACE,
  MATCH_MAC,
  MATCH_PROTOCOL,
  MATCH_SOURCE,
  MATCH_SOURCE_PORT,
  MATCH_USED,
  MATCH_VRF,
  packetMatchCodec,
  packetMatchLayout,
} from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Range } from "../../slowpath/index.ts";
import type { IdChanges, Ids } from "../state/ids.ts";
import { element } from "./element.ts";
import { encodeU32 } from "./records.ts";
import type { StructArray } from "./struct_array.ts";

/** What a packet must be; what is left out is not compared. */
export interface MatchElement {
  readonly interface?: string | undefined;
  readonly vrf?: string | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly ethertype?: number | undefined;
  readonly family?: 4 | 6 | undefined;
  readonly protocol?: number | undefined;
  readonly source?: Prefix | undefined;
  readonly destination?: Prefix | undefined;
  readonly sourcePorts?: Range | undefined;
  readonly ports?: Range | undefined;
  readonly type?: number | undefined;
}

/** Elements that belong together. */
export interface MatchSetting {
  /** That trapped packets name. */
  readonly number: number;
  readonly elements: readonly MatchElement[];
  readonly copy: boolean;
  /** Packets a second, on each CPU. */
  readonly rate: number;
}

interface Slot {
  readonly setting: MatchSetting;
  readonly element: MatchElement;
  /** First slot of the setting, by which they are limited together. */
  readonly limit: number;
}

/** `packet_matches`. The first one that fits decides, in the order in which they were added. */
export class MatchTable implements Disposable {
  readonly #matches: StructArray;
  readonly #limits: BpfMap;
  readonly #ids: Ids;
  /** Element 0 is not one. */
  #slots: (Slot | undefined)[] = [undefined];
  readonly #listening: Disposable;

  constructor(matches: StructArray, limits: BpfMap, ids: Ids) {
    this.#matches = matches;
    this.#limits = limits;
    this.#ids = ids;
    // What an earlier process declared, nobody is there to take.
    matches.bytes.fill(0);
    this.#listening = ids.listen((changes) => this.#follow(changes));
  }

  /** @throws WeirError `ETABLEFULL` */
  add(setting: MatchSetting): Disposable {
    const used = this.#slots.filter((slot) => slot !== undefined).length;
    const most = this.#matches.length - 1;
    if (used + setting.elements.length > most) {
      throw new WeirError({
        code: "ETABLEFULL",
        operation: "register a handler for packets",
        reason: `its match is ${setting.elements.length} combinations of prefixes and ports, and the table has room for ${most - used} of ${most}`,
        hint: "name fewer, or ranges and prefixes that hold them",
      });
    }
    if (this.#slots.length + setting.elements.length > this.#matches.length) this.#compact();
    const limit = this.#slots.length;
    // It may have been another's within this second.
    this.#limits.update(encodeU32(limit), new Uint8Array(this.#limits.valueBytes));
    for (const element of setting.elements) {
      this.#slots.push({ setting, element, limit });
      this.#write(this.#slots.length - 1);
    }
    this.#writeCount();
    return { [Symbol.dispose]: () => this.#remove(setting) };
  }

  #remove(setting: MatchSetting): void {
    for (const [index, slot] of this.#slots.entries()) {
      if (slot?.setting !== setting) continue;
      this.#slots[index] = undefined;
      this.#write(index);
    }
    while (this.#slots.length > 1 && this.#slots.at(-1) === undefined) this.#slots.pop();
    this.#writeCount();
  }

  /** Closes the gaps that others left. */
  #compact(): void {
    const settings = new Set(this.#slots.flatMap((slot) => (slot === undefined ? [] : [slot.setting])));
    this.#slots = [undefined];
    for (const setting of settings) {
      const limit = this.#slots.length;
      for (const element of setting.elements) this.#slots.push({ setting, element, limit });
    }
    for (let index = 1; index < this.#matches.length; index++) this.#write(index);
  }

  /** Names mean other numbers now, or some at all. */
  #follow({ taken, freed }: IdChanges): void {
    if (![...taken, ...freed].some(({ space }) => space === "interface" || space === "vrf")) return;
    for (const index of this.#slots.keys()) if (index > 0) this.#write(index);
  }

  #writeCount(): void {
    packetMatchCodec.number.set(this.#matches.view, this.#matches.at(0), this.#slots.length - 1);
  }

  /** Packets are compared meanwhile: an element without fields is none. */
  #write(index: number): void {
    const { view, bytes } = this.#matches;
    const base = this.#matches.at(index);
    const slot = this.#slots[index];
    packetMatchCodec.fields.set(view, base, 0);
    if (slot === undefined) return;
    const encoded = encode(slot, this.#ids);
    const fields = packetMatchCodec.fields.get(encoded.view, 0);
    packetMatchCodec.fields.set(encoded.view, 0, 0);
    bytes.set(encoded.bytes, base);
    packetMatchCodec.fields.set(view, base, fields);
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }
}

/** What names something that is not there matches nothing. */
function encode({ setting, element: match, limit }: Slot, ids: Ids) {
  const { bytes, view } = element(packetMatchLayout.size);
  const codec = packetMatchCodec;
  let fields = MATCH_USED;
  const number = (field: number, value: number | undefined, set: (value: number) => void): void => {
    if (value === undefined) return;
    fields |= field;
    set(value);
  };
  const prefix = (field: number, end: "source" | "destination", value: Prefix | undefined): void => {
    if (value === undefined) return;
    fields |= field;
    const { address, mask } = masked(value);
    codec[end].set(bytes, 0, address);
    codec[`${end}Mask`].set(bytes, 0, mask);
  };
  const id = (space: "interface" | "vrf", name: string | undefined) =>
    name === undefined ? undefined : (ids[space].get(name) ?? 0);
  const [interfaceId, vrf] = [id("interface", match.interface), id("vrf", match.vrf)];
  codec.number.set(view, 0, setting.number);
  codec.rate.set(view, 0, setting.rate);
  codec.limit.set(view, 0, limit);
  codec.copy.set(view, 0, setting.copy ? 1 : 0);
  number(MATCH_INTERFACE, interfaceId, (value) => codec.interface.set(view, 0, value));
  number(MATCH_VRF, vrf, (value) => codec.vrf.set(view, 0, value));
  number(MATCH_ETHERTYPE, match.ethertype, (value) => codec.ethertype.set(view, 0, value));
  number(MATCH_FAMILY, match.family, (value) => codec.family.set(view, 0, value));
  number(MATCH_PROTOCOL, match.protocol, (value) => codec.protocol.set(view, 0, value));
  number(MATCH_ICMP_TYPE, match.type, (value) => codec.icmpType.set(view, 0, value));
  prefix(MATCH_SOURCE, "source", match.source);
  prefix(MATCH_DESTINATION, "destination", match.destination);
  if (match.mac !== undefined) {
    fields |= MATCH_MAC;
    codec.mac.set(bytes, 0, [...match.mac, 0, 0]);
  }
  if (match.sourcePorts !== undefined) {
    fields |= MATCH_SOURCE_PORT;
    codec.sourcePortFirst.set(view, 0, match.sourcePorts.first);
    codec.sourcePortLast.set(view, 0, match.sourcePorts.last);
  }
  if (match.ports !== undefined) {
    fields |= MATCH_DESTINATION_PORT;
    codec.destinationPortFirst.set(view, 0, match.ports.first);
    codec.destinationPortLast.set(view, 0, match.ports.last);
  }
  const isKnown = interfaceId !== 0 && vrf !== 0;
  codec.fields.set(view, 0, isKnown ? fields : 0);
  return { bytes, view };
}

/** A prefix as the kernel programs compare it: IPv4 in the third word. */
function masked({ family, bytes, length }: Prefix): { address: Uint8Array; mask: Uint8Array } {
  const [from, to] = family === 4 ? [MAPPED_OFFSET, 8] : [0, 0];
  const mask = new Uint8Array(16);
  const address = new Uint8Array(16);
  for (let bit = 0; bit < length; bit++) mask[to + (bit >> 3)] = (mask[to + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
  for (let i = 0; i + to < 16 && i + from < 16; i++) address[to + i] = (bytes[from + i] ?? 0) & (mask[to + i] ?? 0);
  return { address, mask };
}
