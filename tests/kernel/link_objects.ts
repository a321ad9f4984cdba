// SPDX-License-Identifier: Apache-2.0
/** The programs that the tests of links attach, loaded once, and a place for pins. */

import { rmSync } from "node:fs";
import { type Collection, CollectionSpec } from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";

/** Directory for the pins of this test run. */
export const PINS = `/sys/fs/bpf/wA-${process.pid}-links`;

let loaded: Collection | undefined;

/** Maps and programs of bpf/objects.bpf.c. */
export function objects(): Collection {
  loaded ??= CollectionSpec.fromBytes(compileObject("objects")).load();
  return loaded;
}

/** For `afterAll`. */
export function disposeObjects(): void {
  loaded?.[Symbol.dispose]();
  loaded = undefined;
  rmSync(PINS, { recursive: true, force: true });
}
