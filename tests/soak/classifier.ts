// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run test:classifier [-- PAIRS] [SEED]`: compares the policy classifier with a naive evaluation of the rules, on
 * a million random pairs of a rule set and a packet if nothing else is said. Prints the seed, which brings the same
 * pairs again; exits 1 at the first difference.
 */
import { compareRandomly } from "../wasm/policy/comparison.ts";

const [pairs = 1_000_000, seed = Date.now() % 2 ** 31] = process.argv.slice(2).map(Number);
if (!Number.isSafeInteger(pairs) || pairs < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error("usage: npm run test:classifier [-- PAIRS] [SEED]");
  process.exit(2);
}

console.log(`${pairs} pairs, seed ${seed} ...`);
const started = performance.now();
let shown = 0;
const difference = compareRandomly({ pairs, seed }, (done) => {
  const tenth = Math.floor((10 * done) / pairs);
  if (tenth > shown) console.log(`${done} pairs`);
  shown = tenth;
});
const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (difference === undefined) console.log(`${pairs} pairs agree, in ${seconds} s`);
else {
  console.log(`FAILED: ${JSON.stringify(difference, null, 2)}`);
  process.exitCode = 1;
}
