// SPDX-License-Identifier: Apache-2.0
/** HTTP over unix sockets and TCP. The server's only file that uses Bun's own API. */

import { chmodSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { WeirError } from "../sdk/errors.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";

/** Largest request body, in bytes: a state document of a million routes has about 80 MB. */
const MAX_BODY = 512 * 1024 * 1024;

/** How long a stop waits for requests that are being answered, in milliseconds. */
const STOP_GRACE = 2000;

/** How long a probe waits for an answer, in milliseconds. */
const PROBE_TIMEOUT = 2000;

/** Answers a request; `local` says that it came by a unix socket. */
export type Handler = (request: Request, local: boolean) => Response | Promise<Response>;

/** A listening socket. */
export interface Listener {
  readonly endpoint: Endpoint;
  /** Stops listening, lets the requests at hand finish, and removes the socket file. */
  stop(): Promise<void>;
}

/**
 * Listens on `endpoint`. A unix socket gets mode 0600; a file that a dead process left is replaced.
 * @throws WeirError `EADDRINUSE` if another process answers there.
 */
export async function listen(endpoint: Endpoint, handler: Handler): Promise<Listener> {
  try {
    return serve(endpoint, handler);
  } catch (error) {
    if (endpoint.type === "tcp" || codeOf(error) !== "EADDRINUSE") throw listenError(endpoint, error);
    await removeStale(endpoint, error);
  }
  try {
    return serve(endpoint, handler);
  } catch (error) {
    throw listenError(endpoint, error);
  }
}

function serve(endpoint: Endpoint, handler: Handler): Listener {
  const common = { maxRequestBodySize: MAX_BODY, development: false } as const;
  if (endpoint.type === "tcp") {
    const { host: hostname, port } = endpoint;
    const server = Bun.serve({
      ...common,
      hostname,
      port,
      idleTimeout: 0,
      // Without it `development: false` lets a second process share the port.
      reusePort: false,
      fetch: (request) => handler(request, false),
    });
    const bound = { ...endpoint, port: server.port ?? port };
    return { endpoint: bound, stop: () => stop(server) };
  }
  const { path } = endpoint;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  // Nobody but the owner may connect, not even between bind and chmod.
  const umask = process.umask(0o177);
  try {
    // Bun's types have idleTimeout for TCP alone, but its default of 10 seconds cuts answers on unix sockets too.
    const options: Bun.Serve.Options<undefined> = {
      ...common,
      unix: path,
      fetch: (request: Request) => handler(request, true),
    };
    Object.assign(options, { idleTimeout: 0 });
    const server = Bun.serve(options);
    chmodSync(path, 0o600);
    return { endpoint, stop: () => stop(server) };
  } finally {
    process.umask(umask);
  }
}

async function stop(server: Bun.Server<undefined>): Promise<void> {
  const timer = Promise.withResolvers<void>();
  const timeout = setTimeout(timer.resolve, STOP_GRACE);
  await Promise.race([server.stop(), timer.promise]);
  clearTimeout(timeout);
  await server.stop(true);
}

/** Removes the socket file if nobody listens on it. */
async function removeStale(endpoint: Endpoint & { type: "unix" }, cause: unknown): Promise<void> {
  const inode = () => statSync(endpoint.path, { throwIfNoEntry: false })?.ino;
  const before = inode();
  if (await answers(endpoint)) throw listenError(endpoint, cause);
  // Another process may have replaced it since: then it is not stale.
  if (before !== undefined && inode() === before) rmSync(endpoint.path);
}

/** True if a process accepts connections at `endpoint`, however it answers. */
export async function answers(endpoint: Endpoint): Promise<boolean> {
  try {
    await request(endpoint, "/healthz", { signal: AbortSignal.timeout(PROBE_TIMEOUT) });
    return true;
  } catch (error) {
    return !(error instanceof WeirError && error.code === NOT_RUNNING);
  }
}

/** Code of the error that says that nobody listens. */
export const NOT_RUNNING = "ENOTRUNNING";

/**
 * Sends a request.
 * @throws WeirError `ENOTRUNNING` if nobody listens at `endpoint`.
 */
export async function request(endpoint: Endpoint, path: string, init: RequestInit = {}): Promise<Response> {
  const url = endpoint.type === "unix" ? `http://weir${path}` : `http://${formatEndpoint(endpoint)}${path}`;
  try {
    return await fetch(url, { ...init, ...(endpoint.type === "unix" ? { unix: endpoint.path } : {}) });
  } catch (error) {
    const code = codeOf(error);
    const operation = `reach weir at ${formatEndpoint(endpoint)}`;
    if (code === "ENOENT" || code === "ECONNREFUSED") {
      throw new WeirError({
        code: NOT_RUNNING,
        operation,
        reason: "no instance is running there",
        hint: "start one with: weir serve",
        cause: error,
      });
    }
    const reason = error instanceof Error ? error.message : String(error);
    const hint = code === "EACCES" || code === "EPERM" ? "run as root" : undefined;
    throw new WeirError({ code: code ?? "EIO", operation, reason, hint, cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function listenError(endpoint: Endpoint, cause: unknown): WeirError {
  const code = codeOf(cause) ?? "EIO";
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "another process listens there",
    EACCES: "permission denied",
    EPERM: "permission denied",
  };
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: "end it with: weir down, or give another --name or --listen",
    EACCES: "run as root",
    EPERM: "run as root",
  };
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new WeirError({ code, operation: `listen on ${formatEndpoint(endpoint)}`, reason, hint: hints[code], cause });
}
