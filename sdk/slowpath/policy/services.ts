// SPDX-License-Identifier: Apache-2.0
/** Puts the services of the host (struct host_service) beside the address sets: both change without the rules. */
import { WeirError } from "../../errors.ts";
import { addressSetsCodec, hostServiceCodec, hostServiceLayout } from "../../layout/index.ts";

/** A service of the host under an address of its own. */
export interface HostServiceInput {
  /** Number of the host's interface. */
  readonly interface: number;
  /** Number of the protocol. */
  readonly protocol: number;
  /** 16 bytes; IPv4: mapped. */
  readonly address: Uint8Array;
  readonly port: number;
  /** What the host's process listens to. */
  readonly backend: Uint8Array;
  readonly backendPort: number;
}

/** An image with services, as long as neither changes the same one. */
export class ServiceImages {
  #last: { readonly without: Uint8Array; readonly key: string; readonly image: Uint8Array<ArrayBuffer> } | undefined;

  /**
   * @param addressSets a compiled struct address_sets.
   * @param room bytes.
   * @throws WeirError `ENOSPC` if there are too many.
   */
  append(
    addressSets: Uint8Array<ArrayBuffer>,
    services: readonly HostServiceInput[],
    room: number = Number.POSITIVE_INFINITY,
  ): Uint8Array<ArrayBuffer> {
    if (services.length === 0) return addressSets;
    const list = encode(services);
    const key = list.toHex();
    if (this.#last?.without === addressSets && this.#last.key === key) return this.#last.image;
    const start = (addressSets.byteLength + 7) & ~7;
    if (start + list.byteLength > room) {
      throw new WeirError({
        code: "ENOSPC",
        operation: "compile policies",
        reason: `address sets and services take ${start + list.byteLength} bytes, and there is room for ${room}`,
        hint: "use fewer of them",
      });
    }
    const image = new Uint8Array(start + list.byteLength);
    image.set(addressSets);
    image.set(list, start);
    const view = new DataView(image.buffer);
    addressSetsCodec.serviceCount.set(view, 0, services.length);
    addressSetsCodec.services.set(view, 0, start);
    addressSetsCodec.bytes.set(view, 0, image.byteLength);
    this.#last = { without: addressSets, key, image };
    return image;
  }
}

function encode(services: readonly HostServiceInput[]): Uint8Array {
  const { size } = hostServiceLayout;
  const bytes = new Uint8Array(services.length * size);
  const view = new DataView(bytes.buffer);
  for (const [i, service] of services.entries()) {
    const at = i * size;
    hostServiceCodec.interface.set(view, at, service.interface);
    hostServiceCodec.port.set(view, at, service.port);
    hostServiceCodec.backendPort.set(view, at, service.backendPort);
    hostServiceCodec.protocol.set(view, at, service.protocol);
    hostServiceCodec.address.set(bytes, at, service.address);
    hostServiceCodec.backend.set(bytes, at, service.backend);
  }
  return bytes;
}
