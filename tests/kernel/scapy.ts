// SPDX-License-Identifier: Apache-2.0
/** Packets built by scapy (the Python of the system has it), which shares no code with what is tested. */

import { spawnSync } from "node:child_process";

const PROGRAM = `
import json, sys, logging
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.packet import Padding, Raw
from scapy.layers.l2 import *
from scapy.layers.inet import *
from scapy.layers.inet6 import *
from scapy.layers.vxlan import VXLAN
from scapy.layers.dhcp import *
from scapy.layers.dhcp6 import *
from scapy.layers.sctp import *
from scapy.contrib.igmp import IGMP
from scapy.contrib.mpls import MPLS
asked = json.load(sys.stdin)
exec(asked["words"])
built = {}
for name, text in asked["expressions"].items():
    try:
        built[name] = bytes(eval(text)).hex()
    except Exception as error:
        sys.exit(f"{name}: {text}: {error!r}")
print(json.dumps(built))
`;

/** Time for a hook that builds packets, ms: on an emulated CPU it takes twenty times as long. */
export const SCAPY_TIMEOUT_MS = 180_000;

/**
 * Evaluates scapy expressions, such as `Ether()/IP()/UDP()`, and gives their bytes by the same names.
 * `words`: Python that is executed before, with what the expressions share.
 * A round of scapy takes about a second: ask for all packets of a file at once.
 */
export function scapyPackets<Name extends string>(
  expressions: Record<Name, string>,
  words = "",
): Record<Name, Uint8Array> {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", PROGRAM], {
    input: JSON.stringify({ expressions, words }),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`Cannot build packets with scapy: ${stderr.trim().split("\n").at(-1)}`);
  const built = JSON.parse(stdout) as Record<Name, string>;
  const packets = {} as Record<Name, Uint8Array>;
  for (const name of Object.keys(built) as Name[]) packets[name] = Uint8Array.from(Buffer.from(built[name], "hex"));
  return packets;
}
