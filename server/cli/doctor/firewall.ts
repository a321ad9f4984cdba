// SPDX-License-Identifier: Apache-2.0
/** Host firewall chains that traffic between Weir's interfaces does not pass: it never reaches the host's stack. */

import { spawnSync } from "node:child_process";
import { type Check, ok, warn } from "./check.ts";

/** Hooks of netfilter that forwarded traffic would pass. */
const bypassed = new Set(["ingress", "prerouting", "forward", "postrouting", "egress"]);

const NAME = "host firewall";

const HINT =
  "what they enforce on workloads must be said in Weir policies; traffic to the host itself still passes them";

/** A base chain of nftables, with what it holds. */
interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** @param ruleset output of `nft -j list ruleset`. */
export function checkNftables(ruleset: string): Check {
  const entries =
    (JSON.parse(ruleset) as { nftables?: { chain?: Chain; rule?: Chain & { chain: string } }[] }).nftables ?? [];
  const withRules = new Set(
    entries.flatMap(({ rule }) => (rule === undefined ? [] : [`${rule.family} ${rule.table} ${rule.chain}`])),
  );
  const active = entries.flatMap(({ chain }) => {
    if (chain?.hook === undefined || !bypassed.has(chain.hook)) return [];
    const name = `${chain.family} ${chain.table} ${chain.name}`;
    return chain.policy === "drop" || withRules.has(name) ? [`${name} (${chain.hook})`] : [];
  });
  if (active.length === 0) return ok(NAME, "no chain that Weir bypasses");
  const shown = active.slice(0, 3).join(", ");
  const more = active.length > 3 ? ` and ${active.length - 3} more` : "";
  return warn(NAME, `Weir bypasses ${active.length} chains: ${shown}${more}`, HINT);
}

/** @param saved output of `iptables-save`. */
export function checkIptables(saved: string): Check {
  const chains = [...saved.matchAll(/^:(PREROUTING|FORWARD|POSTROUTING) (\S+)/gm)];
  const active = new Set(chains.flatMap(([, chain = "", policy]) => (policy === "DROP" ? [chain] : [])));
  for (const [, chain = ""] of saved.matchAll(/^-A (PREROUTING|FORWARD|POSTROUTING) /gm)) active.add(chain);
  if (active.size === 0) return ok(NAME, "no chain that Weir bypasses");
  return warn(NAME, `Weir bypasses the iptables chains ${[...active].join(", ")}`, HINT);
}

/** Asks whichever tool is there: nftables, whose list has the rules of iptables-nft too, else iptables. */
export function checkFirewall(): Check {
  const nft = run("nft", ["-j", "list", "ruleset"]);
  if (nft !== undefined) return checkNftables(nft);
  const iptables = run("iptables-save", []);
  if (iptables !== undefined) return checkIptables(iptables);
  return ok(NAME, "neither nft nor iptables answers");
}

function run(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  return status === 0 && stdout.trim() !== "" ? stdout : undefined;
}
