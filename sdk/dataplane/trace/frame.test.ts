// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { WeirError } from "../../errors.ts";
import { buildFrame, type FrameDefaults, type PacketFields } from "./frame.ts";

const defaults: FrameDefaults = {
  sourceMac: "02:00:00:00:01:01",
  destinationMac: "00:00:5e:00:01:00",
  source4: "10.97.0.1",
  source6: "fd00:97::1",
};
const hex = (fields: PacketFields, more: Partial<FrameDefaults> = {}): string =>
  buildFrame(fields, { ...defaults, ...more }).toHex();

function fieldAtFault(fields: PacketFields, from: FrameDefaults = defaults): string | undefined {
  try {
    buildFrame(fields, from);
  } catch (error) {
    expect(error).toBeInstanceOf(WeirError);
    return (error as WeirError).field;
  }
  throw new Error("It was built");
}

describe("a frame built from fields", () => {
  test("is an echo request from the interface's own address to its gateway's MAC, where no more is said", () => {
    // Ether()/IP(src="10.97.0.1",dst="10.97.0.2",id=0,flags="DF")/ICMP(id=1,seq=1) of scapy 2.5.0
    expect(hex({ dst: "10.97.0.2" })).toBe(
      "00005e0001000200000001010800" + "4500001c000040004001261d" + "0a6100010a610002" + "0800f7fd00010001",
    );
    // The same of ICMPv6: ICMPv6EchoRequest(id=1,seq=1)
    expect(hex({ dst: "fd00:97::2" })).toBe(
      "00005e000100020000000101" +
        "86dd6000000000083a40fd000097000000000000000000000001fd000097000000000000000000000002" +
        "8000848800010001",
    );
  });

  test("goes to the MAC of a group address", () => {
    const macTo = (dst: string) => hex({ dst }).slice(0, 12);
    expect(macTo("255.255.255.255")).toBe("ffffffffffff");
    expect(macTo("239.129.2.3")).toBe("01005e010203");
    expect(macTo("ff02::1:ff00:9")).toBe("3333ff000009");
    expect(hex({ dst: "239.1.2.3", dstMac: "02:00:00:00:00:09" }).slice(0, 12)).toBe("020000000009");
  });

  test("has the tag of its interface, unless told otherwise", () => {
    expect(hex({ dst: "10.97.0.2" }, { vlan: 10 }).slice(24, 36)).toBe("8100000a0800");
    expect(hex({ dst: "10.97.0.2", vlan: 0 }, { vlan: 10 }).slice(24, 28)).toBe("0800");
  });

  test("is as long as it is told to be, tag and all", () => {
    expect(buildFrame({ dst: "10.97.0.2", size: 1000, vlan: 7 }, defaults)).toHaveLength(1000);
    expect(fieldAtFault({ dst: "10.97.0.2", size: 41 })).toBe("/size");
    expect(fieldAtFault({ dst: "10.97.0.2", size: 3501 })).toBe("/size");
  });

  test("is refused for the field that is wrong", () => {
    const wrong: [PacketFields, string][] = [
      [{ dst: "10.97.0" }, "/dst"],
      [{ dst: "10.97.0.2", src: "fd00::1" }, "/src"],
      [{ dst: "10.97.0.2", src: "x" }, "/src"],
      [{ dst: "10.97.0.2", proto: "tpc" }, "/proto"],
      [{ dst: "10.97.0.2", proto: 256 }, "/proto"],
      [{ dst: "10.97.0.2", dport: 80 }, "/dport"],
      [{ dst: "10.97.0.2", proto: "udp", dport: 65536 }, "/dport"],
      [{ dst: "10.97.0.2", proto: "udp", sport: 1.5 }, "/sport"],
      [{ dst: "10.97.0.2", proto: "tcp", type: 8 }, "/type"],
      [{ dst: "10.97.0.2", proto: "udp", flags: ["syn"] }, "/flags"],
      [{ dst: "10.97.0.2", ttl: 256 }, "/ttl"],
      [{ dst: "10.97.0.2", dscp: 64 }, "/dscp"],
      [{ dst: "10.97.0.2", vlan: 4095 }, "/vlan"],
      [{ dst: "10.97.0.2", srcMac: "02:00" }, "/srcMac"],
    ];
    for (const [fields, field] of wrong) expect([fields, fieldAtFault(fields)]).toEqual([fields, field]);
    const nobody = { sourceMac: defaults.sourceMac, destinationMac: defaults.destinationMac };
    expect(fieldAtFault({ dst: "10.97.0.2" }, nobody)).toBe("/src");
  });
});
