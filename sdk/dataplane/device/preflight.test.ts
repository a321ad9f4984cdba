// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { instancePaths } from "../instance/instance.ts";
import { kernelAtLeast, kernelVersion, preflight } from "./preflight.ts";

test("kernel releases are read as distributions write them", () => {
  expect(kernelVersion("6.1.0-18-amd64")).toEqual([6, 1]);
  expect(kernelVersion("6.12.48+deb13-cloud-arm64")).toEqual([6, 12]);
  expect(kernelAtLeast(6, 6, [6, 12])).toBe(true);
  expect(kernelAtLeast(6, 6, [6, 1])).toBe(false);
  expect(kernelAtLeast(6, 6, [7, 0])).toBe(true);
});

test("a kernel that is too old is refused by name", () => {
  expect(() => preflight("x", "5.15.0-91-generic")).toThrow(
    'Cannot open instance "x": this is Linux 5.15.0-91-generic, and 6.1 is the oldest that will do; boot a newer kernel',
  );
});

test("names that cannot be directories in a BPF file system are refused", () => {
  for (const name of ["", "a.b", "a/b", "..", "x".repeat(33)])
    expect(() => instancePaths(name)).toThrow("it is no name");
  expect(instancePaths("n1").pins).toBe("/sys/fs/bpf/weir/n1");
});
