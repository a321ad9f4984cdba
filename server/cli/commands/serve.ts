// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from "node:fs";
import { WeirError } from "../../../sdk/errors.ts";
import { parseTokens, type Tokens } from "../../auth.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../../endpoint.ts";
import { warningsOfChanges } from "../../warnings.ts";
import { asUsage } from "../arguments.ts";
import { type Context, defineCommand } from "../command.ts";
import { Failure, UsageError } from "../failure.ts";
import { located, readStateFile } from "../state-file.ts";
import { storeOf } from "../store.ts";

export const serve = defineCommand({
  name: "serve",
  summary: "run the data plane and its HTTP façade; SIGTERM ends it, the kernel forwards on",
  usage: "[-c FILE] [--listen ADDR]... [--token-file FILE] [--store URL]",
  help: `
  -c, --config FILE      state document of the owner "state"; without it the persisted state is resumed
      --listen ADDR      unix:PATH (instead of /run/weir/NAME.sock) or HOST:PORT (beside it)
      --token-file FILE  tokens of TCP listeners, a line each: read TOKEN, write TOKEN
      --store URL        where the state is kept: sqlite:PATH (default: sqlite:/var/lib/weir/NAME/state.db), or
                         memory: to keep nothing`,
  flags: {
    config: { type: "string", short: "c" },
    listen: { type: "string", multiple: true },
    "token-file": { type: "string" },
    store: { type: "string" },
  },
  run: async ({ flags }, context) => {
    const endpoints = endpointsOf(flags.listen ?? [], context.endpoint);
    const tokens = tokensOf(flags["token-file"], endpoints, context);
    const file = flags.config === undefined ? undefined : readStateFile(flags.config);
    // Only this command needs the SDK at hand: the others are clients, and start quickly.
    const [{ DataPlane, openOptionsOf }, { serveUntil }] = await Promise.all([
      import("../../../sdk/index.ts"),
      import("../serving.ts"),
    ]);
    await serveUntil({
      instance: context.instance,
      version: context.version,
      endpoints,
      tokens,
      open: () =>
        DataPlane.open({
          instance: context.instance,
          store: storeOf(flags.store),
          ...openOptionsOf(file?.value),
        }),
      prepare:
        file &&
        (async (dataPlane) => {
          try {
            const changes = await dataPlane.apply(file.value);
            for (const warning of warningsOfChanges(dataPlane, changes)) {
              context.terminal.err(`weir: warning: ${warning}`);
            }
          } catch (error) {
            throw error instanceof WeirError ? located(file, error.field, error.message) : error;
          }
        }),
      onReady: (listening) => {
        const where = listening.map(formatEndpoint).join(", ");
        void context.terminal.out(`weir: instance "${context.instance}" is ready on ${where}\n`);
      },
      signal: stopSignal(),
    });
    return 0;
  },
});

/** The unix socket is always there, for the other commands: where `--listen unix:PATH` says, else at its default. */
function endpointsOf(listen: readonly string[], fallback: Endpoint): Endpoint[] {
  const endpoints = listen.map((text) => asUsage(() => parseEndpoint(text)));
  return endpoints.some(({ type }) => type === "unix") ? endpoints : [fallback, ...endpoints];
}

function tokensOf(path: string | undefined, endpoints: readonly Endpoint[], { terminal }: Context): Tokens | undefined {
  const tcp = endpoints.find(({ type }) => type === "tcp");
  if (path === undefined) {
    if (tcp === undefined) return undefined;
    throw new UsageError(`Cannot listen on ${formatEndpoint(tcp)}: a TCP listener needs --token-file FILE`);
  }
  const tokens = parseTokens(readTokenFile(path), path);
  if ((statSync(path).mode & 0o077) !== 0) {
    terminal.err(`weir: warning: other users may read the tokens in ${path}; run: chmod 600 ${path}`);
  }
  return tokens;
}

function readTokenFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? error.code : error;
    throw new Failure(`Cannot read token file ${path}: ${reason}`, { cause: error });
  }
}

/** The first SIGTERM, SIGINT or SIGHUP ends in good order, a second one at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort();
    });
  }
  return controller.signal;
}
