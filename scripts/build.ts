// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run build` makes everything; `bun run scripts/build.ts --assets` only what the sources
 * need at run time. What is up to date is left alone.
 */

import { build } from "./build/step.ts";
import { ALL, ASSETS } from "./build/steps.ts";

process.chdir(`${import.meta.dirname}/..`);
try {
  await build(process.argv.includes("--assets") ? ASSETS : ALL, (line) => console.log(`build: ${line}`));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
