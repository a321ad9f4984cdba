// SPDX-License-Identifier: Apache-2.0
/** Time-outs of tests: an emulated CPU (`npm run test:kernels`) takes minutes to verify what a real one does in seconds. */

const FACTOR = process.env["WEIR_VM"] === undefined ? 1 : 10;

/** Milliseconds after which a test that has no business being slow is taken for hung. */
export const patience = (ms: number): number => ms * FACTOR;
