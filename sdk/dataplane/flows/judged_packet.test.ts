// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { parsePrefix } from "../../address.ts";
import type { RawFlowKey } from "../../layout/index.ts";
import { packetOf } from "./judged_packet.ts";

function key(protocol: number, source: string, destination: string, ports: readonly [number, number]): RawFlowKey {
  const [from, to] = [parsePrefix(source), parsePrefix(destination)];
  if (from === undefined || to === undefined) throw new Error("no addresses");
  const [sourcePort, destinationPort] = ports;
  const family = from.family;
  return { family, vrf: 1, protocol, source: from.bytes, destination: to.bytes, sourcePort, destinationPort };
}

const hex = (flow: RawFlowKey): string => packetOf(flow).frame.subarray(packetOf(flow).l3Offset).toHex();

test("a packet that stands for a TCP flow over IPv4 is a SYN from and to its ports", () => {
  expect(hex(key(6, "10.0.0.1", "10.0.0.2", [40000, 80]))).toBe(
    "45000028000000004006" +
      "0000" +
      "0a000001" +
      "0a000002" +
      "9c400050" +
      "0000000000000000" +
      "5002" +
      "000000000000",
  );
});

test("that of an echo has the flow's identifier, over IPv6 too", () => {
  expect(hex(key(1, "10.0.0.1", "10.0.0.2", [7, 7])).slice(40, 56)).toBe("0800000000070000");
  expect(hex(key(58, "fd00::1", "fd00::2", [7, 7])).slice(80, 96)).toBe("8000000000070000");
});

test("that of another ICMP message has its type and code", () => {
  expect(hex(key(1, "10.0.0.1", "10.0.0.2", [14 << 8, 13 << 8])).slice(40, 44)).toBe("0d00");
});
