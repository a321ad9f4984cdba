// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { type LinkInfo, Netlink } from "../../sdk/netlink/index.ts";
import { configurations, SET_UP } from "./netlink_configurations.ts";
import { expectAgreement, oracleTables } from "./netlink_oracle.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

/** Makes the configuration; false where the kernel lacks what it needs. */
function make(ns: TestNamespace, commands: readonly string[], mayLack: boolean): boolean {
  for (const command of commands) {
    try {
      ns.run("ip", ...command.split(" "));
    } catch (error) {
      if (mayLack && /not supported|Unknown device type|Unknown device kind/.test(String(error))) return false;
      throw error;
    }
  }
  return true;
}

/** Operational states and addresses that the kernel makes itself follow a little later. */
async function settled(netlink: Netlink): Promise<void> {
  await settle(() => {
    const links = new Map(netlink.links().map((link) => [link.index, link]));
    const hasCarrier = (link: LinkInfo): boolean => link.up && links.get(link.peerIndex ?? 0)?.up === true;
    return [...links.values()].every(
      (link) =>
        link.kind !== "veth" || link.linkNetnsId !== undefined || (link.operationalState === "up") === hasCarrier(link),
    );
  });
  await settle(() => netlink.addresses().every(({ tentative, address }) => !tentative || !address.startsWith("fe80")));
}

describe("the tables agree with ip(8)", () => {
  test("in a table of at least 60 configurations that any kernel has", () => {
    expect(configurations.filter(({ needs }) => needs === undefined).length).toBeGreaterThanOrEqual(60);
  });

  for (const { name, commands, needs } of configurations) {
    test(`with ${name}`, async () => {
      using ns = new TestNamespace();
      using other = new TestNamespace();
      using netlink = Netlink.open({ netns: ns.name });
      make(ns, SET_UP, false);
      const own = commands.map((command) => command.replace("{other}", other.name));
      if (!make(ns, own, needs !== undefined)) {
        console.warn(`not compared: this kernel lacks ${needs}`);
        return;
      }
      await settled(netlink);
      for (const table of oracleTables) expectAgreement(ns, netlink, table);
    });
  }
});
