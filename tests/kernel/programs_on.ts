// SPDX-License-Identifier: Apache-2.0
/** Which programs are on a device's hooks. `bpftool net` of Debian 12 and Ubuntu 24.04 does not know TCX. */
import type { Lab } from "../../sdk/lab/index.ts";
import { Program, queryTcx, queryXdp, tcxSupported } from "../../sdk/libbpf/index.ts";

/** Names of the programs on XDP, TCX and clsact ingress of a device in a lab's namespace, sorted. */
export function programsOn(lab: Lab, namespace: string, device: string): string[] {
  using netlink = lab.netlink(namespace);
  const ifindex = netlink.link(device)?.index;
  if (ifindex === undefined) throw new Error(`There is no device ${device}`);
  const ids = lab.run(namespace, () => [
    queryXdp(ifindex)?.programId ?? 0,
    ...(tcxSupported() ? queryTcx(ifindex, "ingress").programs.map(({ programId }) => programId) : []),
  ]);
  const filters = lab.execSync(namespace, ["tc", "-j", "filter", "show", "dev", device, "ingress"]).stdout;
  const names = (JSON.parse(filters || "[]") as { options?: { prog?: { name?: string } } }[]).flatMap(
    ({ options }) => options?.prog?.name ?? [],
  );
  return [...ids.filter((id) => id !== 0).map(nameOf), ...names].sort();
}

function nameOf(id: number): string {
  using program = Program.fromId(id);
  return program.name;
}
