// SPDX-License-Identifier: Apache-2.0
/** Where a façade is: a unix socket or a TCP port, as `--listen` and `--connect` write it. */

import { WeirError } from "../sdk/errors.ts";

/** An address that the façade listens on or is talked to at. */
export type Endpoint =
  | { readonly type: "unix"; readonly path: string }
  | { readonly type: "tcp"; readonly host: string; readonly port: number };

/** Directory of the default sockets. */
export const SOCKET_DIRECTORY = "/run/weir";

/** Longest path of a unix socket: `sun_path` of linux/un.h without its NUL. */
const MAX_SOCKET_PATH = 107;

/** Instance names become file names and directories of a BPF file system, which has no dots. */
const INSTANCE = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * Checks the name of an instance.
 * @throws WeirError `EINVAL`.
 */
export function checkInstance(name: string): string {
  if (INSTANCE.test(name)) return name;
  throw new WeirError({
    code: "EINVAL",
    operation: `use "${name}" as the name of an instance`,
    reason: "it is no name",
    hint: "use 1 to 32 letters, digits, _ and -",
  });
}

/** The unix socket of an instance. */
export function socketOf(instance: string): Endpoint {
  return { type: "unix", path: `${SOCKET_DIRECTORY}/${instance}.sock` };
}

/**
 * Reads `unix:PATH` or `HOST:PORT` (`[::1]:8080` for IPv6).
 * @throws WeirError `EINVAL`.
 */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (!path.startsWith("/")) throw endpointError(text, "the path of a unix socket is absolute");
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
      throw endpointError(text, `the path of a unix socket has at most ${MAX_SOCKET_PATH} bytes`);
    }
    return { type: "unix", path };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) throw endpointError(text, "it is neither unix:PATH nor HOST:PORT");
  return { type: "tcp", host, port };
}

/** As {@link parseEndpoint} reads it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.type === "unix") return `unix:${endpoint.path}`;
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

function endpointError(text: string, reason: string): WeirError {
  return new WeirError({
    code: "EINVAL",
    operation: `use "${text}" as an address`,
    reason,
    hint: "write unix:/run/weir/NAME.sock or 127.0.0.1:8080",
  });
}
