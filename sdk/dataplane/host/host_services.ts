// SPDX-License-Identifier: Apache-2.0
/** Services of the host under addresses of their own, on their way to the slow path. */
import { parseAddress } from "../../address.ts";
import type { HostServiceInput } from "../../slowpath/index.ts";
import type { Run } from "../reconcile/context.ts";
import type { HostService } from "../schema/index.ts";
import { sameValue } from "../state/desired.ts";

const PROTOCOL = { tcp: 6, udp: 17 } as const;

/** Protocol of a service that names none. */
export const protocolOf = ({ proto }: HostService): "tcp" | "udp" => proto ?? "tcp";

/** Those of all interfaces of the state. */
export function hostServices(run: Run): HostServiceInput[] {
  const inputs: HostServiceInput[] = [];
  for (const { name, services = [] } of run.state.objects("interfaces")) {
    for (const service of services) {
      const [address, backend] = [parseAddress(service.address), parseAddress(service.backend.address)];
      if (address === undefined || backend === undefined) continue;
      inputs.push({
        interface: run.ids.take("interface", name),
        protocol: PROTOCOL[protocolOf(service)],
        address: address.bytes,
        port: service.port,
        backend: backend.bytes,
        backendPort: service.backend.port,
      });
    }
  }
  return inputs;
}

/** Whether the state has other services than the slow path: those of the interfaces as they are in the kernel. */
export function servicesChanged(run: Run): boolean {
  const names = new Set(run.live.keys());
  for (const { name, services } of run.state.objects("interfaces")) {
    if (!names.delete(name) && services === undefined) continue;
    if (!sameValue(services, run.live.get(name)?.object.services)) return true;
  }
  return [...names].some((name) => run.live.get(name)?.object.services !== undefined);
}

/** Addresses of the services of an interface, each once. */
export function serviceAddresses(services: readonly HostService[] | undefined): string[] {
  return [...new Set((services ?? []).map(({ address }) => address))];
}
