// SPDX-License-Identifier: Apache-2.0
/** Pings with an IEEE 802.1Q tag from a namespace whose kernel may have no VLAN devices. */
import { GATEWAY_MAC, type Lab } from "../../sdk/lab/index.ts";

export interface TaggedPing {
  readonly namespace: string;
  readonly vlan: number;
  readonly mac: string;
  readonly source: string;
  readonly destination: string;
}

const COUNT = 3;

/** Answers with the same tag to three echo requests to Weir's gateway. */
export async function taggedPing(lab: Lab, o: TaggedPing): Promise<number> {
  const program = `
import socket, struct, time
def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return ~(s + (s >> 16)) & 0xffff
mac = lambda text: bytes.fromhex(text.replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
s.setsockopt(263, 8, 1)
s.settimeout(0.7)
source, destination = socket.inet_aton("${o.source}"), socket.inet_aton("${o.destination}")
answers = 0
for number in range(${COUNT}):
    echo = struct.pack("!BBHHH", 8, 0, 0, ${o.vlan}, number) + b"x" * 32
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), number, 0, 64, 1, 0, source, destination)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    s.send(mac("${GATEWAY_MAC}") + mac("${o.mac}") + struct.pack("!HHH", 0x8100, ${o.vlan}, 0x0800) + ip + echo)
    end = time.time() + 0.7
    while time.time() < end:
        try: frame, ancillary, _, _ = s.recvmsg(2048, 256)
        except socket.timeout: break
        status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", ancillary[0][2])
        if not status & 0x10 or tci & 0xfff != ${o.vlan} or frame[12:14] != b"\\x08\\x00": continue
        if frame[26:30] == destination and frame[34] == 0 and frame[40:42] == struct.pack("!H", number):
            answers += 1
            break
print(answers)
`;
  const { status, stdout, stderr } = await lab.exec(o.namespace, ["python3", "-c", program]);
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}
