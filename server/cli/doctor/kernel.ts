// SPDX-License-Identifier: Apache-2.0
/** The kernel's version, and what depends on it. */

import { type Check, fail, ok, warn } from "./check.ts";

type Version = readonly [major: number, minor: number];

/** Oldest kernel that Weir runs on. */
const OLDEST: Version = [6, 1];

/** A feature that newer kernels have, and how Weir does without it. */
interface Feature {
  readonly name: string;
  readonly since: Version;
  readonly without: string;
}

const features: readonly Feature[] = [
  {
    name: "tcx",
    since: [6, 6],
    without: "the TC hook uses clsact filters, which a crash of another tool can remove",
  },
  {
    name: "xdp frags redirect",
    since: [6, 3],
    without: "jumbo MTUs are refused on the XDP hook; use hook: tc there",
  },
  {
    name: "xdp frags to AF_XDP",
    since: [6, 6],
    without: "jumbo MTUs with policy are refused on the XDP hook; use hook: tc there",
  },
];

const atLeast = (version: Version, least: Version): boolean =>
  version[0] > least[0] || (version[0] === least[0] && version[1] >= least[1]);

/** @param release as `uname -r` prints it. */
export function checkKernel(release: string): Check[] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  const version: Version = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (!atLeast(version, OLDEST)) {
    return [fail("kernel", release, `boot Linux ${OLDEST.join(".")} or newer`)];
  }
  const found = features.map(({ name, since, without }) =>
    atLeast(version, since)
      ? ok(name, `in Linux ${since.join(".")} and newer`)
      : warn(name, `not in Linux ${version.join(".")}: ${without}`, `boot Linux ${since.join(".")} or newer`),
  );
  return [ok("kernel", release), ...found];
}
