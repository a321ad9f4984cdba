// SPDX-License-Identifier: Apache-2.0
/** Packets built by scapy (the Python of the system has it), which shares no code with what is tested. */

import { spawnSync } from "node:child_process";

const PROGRAM = `
import json, sys, logging
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.l2 import *
from scapy.layers.inet import *
from scapy.layers.inet6 import *
from scapy.layers.vxlan import VXLAN
from scapy.contrib.mpls import MPLS
print(json.dumps({name: bytes(eval(text)).hex() for name, text in json.load(sys.stdin).items()}))
`;

/** Time for a hook that builds packets, ms. */
export const SCAPY_TIMEOUT_MS = 60_000;

/**
 * Evaluates scapy expressions, such as `Ether()/IP()/UDP()`, and gives their bytes by the same names.
 * A round of scapy takes about a second: ask for all packets of a file at once.
 */
export function scapyPackets<Name extends string>(expressions: Record<Name, string>): Record<Name, Uint8Array> {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", PROGRAM], {
    input: JSON.stringify(expressions),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot build packets with scapy: ${stderr.trim().split("\n").at(-1)}`);
  const built = JSON.parse(stdout) as Record<Name, string>;
  const packets = {} as Record<Name, Uint8Array>;
  for (const name of Object.keys(built) as Name[]) packets[name] = Uint8Array.from(Buffer.from(built[name], "hex"));
  return packets;
}
