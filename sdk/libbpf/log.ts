// SPDX-License-Identifier: Apache-2.0
/**
 * What libbpf says. Its print function belongs to the whole process and a JavaScript callback to one
 * thread, so it is installed only around the calls that can print, which happen on the main thread.
 */

import { runtime } from "#runtime";
import type { Address, Callback } from "../runtime/types.ts";
import { NULL } from "../runtime/types.ts";
import { libbpf } from "./symbols.ts";

const { vsnprintf } = runtime.open(["libc.so.6"], {
  vsnprintf: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
});

const LIBBPF_INFO = 1;
const LINE_BYTES = 8192;

const line = runtime.alloc(LINE_BYTES);
let lines: string[] = [];
let print: Callback | undefined;

/** `va_list` arrives as a pointer on x86-64 (an array type) and on arm64 (by reference), as vsnprintf wants it. */
function collect(level = 0, format = 0, args = 0): number {
  if (level > LIBBPF_INFO) return 0;
  const length = vsnprintf(line.address, LINE_BYTES, format as Address, args as Address);
  const text = new TextDecoder().decode(line.bytes.subarray(0, Math.min(length, LINE_BYTES - 1)));
  lines.push(...text.split("\n").filter((part) => part !== ""));
  return length;
}

/** What `fn` returned and the lines that libbpf printed meanwhile, without its prefix `libbpf: `. */
export interface Captured<T> {
  readonly value: T;
  readonly lines: readonly string[];
}

/** Runs `fn` (synchronous, main thread) and collects libbpf's warnings. */
export function captureLog<T>(fn: () => T): Captured<T> {
  const { libbpf_set_print } = libbpf();
  print ??= runtime.callback({ args: ["i32", "ptr", "ptr"], returns: "i32" }, collect);
  lines = [];
  libbpf_set_print(print.address);
  try {
    const value = fn();
    return { value, lines: lines.map((text) => text.replace(/^libbpf: /, "")) };
  } finally {
    libbpf_set_print(NULL);
  }
}
