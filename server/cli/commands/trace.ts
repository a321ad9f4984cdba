// SPDX-License-Identifier: Apache-2.0
import type { TraceAnswer } from "../../trace_schemas.ts";
import { Client } from "../client.ts";
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import { UsageError } from "../failure.ts";
import { formatTrace } from "../trace_text.ts";

/** Flags whose values are numbers, by the field of the request. */
const numbers = ["sport", "dport", "type", "code", "vlan", "dscp", "ttl", "size"] as const;

const usage = "--interface IF (--packet HEX | --dst A [--src A] [--proto P] [--dport N] …) [-o json]";

function wrong(reason: string): UsageError {
  return new UsageError(`Cannot run weir trace: ${reason}; usage: weir trace ${usage}`);
}

export const trace = defineCommand({
  name: "trace",
  summary: "where would this packet go, stage by stage; nothing is sent",
  usage,
  help: `
      --interface IF   the interface that receives the packet
      --packet HEX     the frame, from its Ethernet header on
      --dst A          destination address, to build a packet with
      --src A          source address; default: the interface's own
      --proto P        tcp, udp, icmp, icmpv6, or a protocol number; default: an echo request
      --sport N        source port; --dport N: destination port, default 80
      --type N         ICMP type; --code N: ICMP code
      --flags F,F      TCP flags of fin, syn, rst, psh, ack; default: syn
      --vlan N         VLAN id; default: that of the interface
      --dscp N         0 to 63; --ttl N: default 64; --size N: bytes of the whole frame
      --src-mac M      source MAC; --dst-mac M: destination MAC; default: that of the gateway
  -o, --output json    steps, verdict and the frames that go out, for programs`,
  flags: {
    interface: { type: "string" },
    packet: { type: "string" },
    src: { type: "string" },
    dst: { type: "string" },
    proto: { type: "string" },
    sport: { type: "string" },
    dport: { type: "string" },
    type: { type: "string" },
    code: { type: "string" },
    flags: { type: "string" },
    vlan: { type: "string" },
    dscp: { type: "string" },
    ttl: { type: "string" },
    size: { type: "string" },
    "src-mac": { type: "string" },
    "dst-mac": { type: "string" },
    ...outputFlag,
  },
  run: async ({ flags }, { terminal, endpoint }) => {
    const { output, packet, "src-mac": srcMac, "dst-mac": dstMac, flags: tcpFlags, ...rest } = flags;
    const json = wantsJson(output);
    if (rest.interface === undefined) throw wrong("--interface is missing");
    if (packet === undefined && rest.dst === undefined) throw wrong("--packet or --dst is missing");
    const body = {
      ...rest,
      ...Object.fromEntries(numbers.map((name) => [name, numberOf(name, rest[name])])),
      // As tcpdump, tshark and scapy print them.
      packet: packet?.replaceAll(/[\s:]/g, ""),
      flags: tcpFlags?.split(","),
      srcMac,
      dstMac,
    };
    const answer = await new Client(endpoint).json<TraceAnswer>("POST", "/v1/trace", { body });
    await terminal.out(json ? `${JSON.stringify(answer, null, 2)}\n` : formatTrace(answer));
    return 0;
  },
});

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw wrong(`--${name} is "${text}", which is no number`);
}
