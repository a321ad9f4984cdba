// SPDX-License-Identifier: Apache-2.0
/** A TCP stream there and back: segments as large as the path takes, and every byte compared. */
import type { Lab } from "../../sdk/lab/index.ts";

const PORT = 7000;
/** The port in pcap-filter(7). */
export const TCP_ECHO_FILTER = `tcp port ${PORT}`;

/** Sends back what it gets, once the other side has sent all. */
const SERVER = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.create_server((sys.argv[1], ${PORT}), family=family)
print("ready", flush=True)
c, _ = s.accept()
data = b""
while True:
    part = c.recv(1 << 20)
    if not part: break
    data += part
c.sendall(data)
c.close()
`;

const CLIENT = `
import os, socket, sys
data = os.urandom(4 << 20)
c = socket.create_connection((sys.argv[1], ${PORT}), timeout=10)
c.sendall(data)
c.shutdown(socket.SHUT_WR)
back = b""
while True:
    part = c.recv(1 << 20)
    if not part: break
    back += part
print("same" if back == data else "other: %d of %d bytes" % (len(back), len(data)))
`;

export interface TcpEchoOptions {
  /** Namespaces. */
  readonly client: string;
  readonly server: string;
  /** IPv4 address of the server. */
  readonly address: string;
}

/** `same` if 4 MiB came back as they were sent; else what went wrong. */
export async function tcpEcho(lab: Lab, o: TcpEchoOptions): Promise<string> {
  await using server = lab.spawn(o.server, ["python3", "-c", SERVER, o.address]);
  await server.waitForOutput(/ready/);
  const { stdout, stderr } = await lab.exec(o.client, ["python3", "-c", CLIENT, o.address]);
  return stdout.trim() + stderr;
}
