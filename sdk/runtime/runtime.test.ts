// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { errnoName, errnoText } from "./errno.ts";
import { close, cstring, eventfd, mmap, munmap, open, pageSize, read, SOCK_DGRAM, socket, write } from "./libc.ts";
import { withNetns } from "./netns.ts";
import { selfTests } from "./selftest.ts";
import { NULL } from "./types.ts";

function thrown(fn: () => unknown): WeirError {
  try {
    fn();
  } catch (error) {
    expect(error).toBeInstanceOf(WeirError);
    return error as WeirError;
  }
  throw new Error("nothing was thrown");
}

describe("self-test", () => {
  for (const { name, run } of selfTests) test(name, () => expect(run()).toBeUndefined());
});

describe("open", () => {
  test("leaves an optional symbol that is missing undefined", () => {
    const library = runtime.open(["libc.so.6"], {
      getpid: { args: [], returns: "i32" },
      weir_missing: { args: [], returns: "i32", optional: true },
    });
    expect(library.getpid()).toBe(process.pid);
    expect(library.weir_missing).toBeUndefined();
  });

  test("names a required symbol that is missing", () => {
    const error = thrown(() => runtime.open(["libc.so.6"], { weir_missing: { args: [], returns: "i32" } }));
    expect(error.code).toBe("ENOLIB");
    expect(error.message).toContain('"weir_missing"');
  });

  test("names the directories that it looked into", () => {
    const error = thrown(() => runtime.open(["libweir.so.9"], {}));
    expect(error.message).toContain('Cannot load "libweir.so.9": not found in /lib/');
  });

  test("refuses a relative path", () => {
    expect(thrown(() => runtime.open(["./libc.so.6"], {})).code).toBe("EINVAL");
  });
});

test("a C string comes back, NULL is null", () => {
  const text = cstring("h\u00e9llo");
  expect(runtime.cstring(text.address)).toBe("h\u00e9llo");
  expect(runtime.cstring(NULL)).toBeNull();
});

test("a failed call names errno, the call and the object", () => {
  const error = thrown(() => open("/nonexistent", 0));
  expect(error.message).toBe('Cannot open "/nonexistent": ENOENT (no such file or entry)');
});

test("a read that would wait gives undefined", () => {
  const fd = eventfd();
  const counter = runtime.alloc(8);
  expect(read(fd, counter)).toBeUndefined();
  counter.bytes[0] = 7;
  expect(write(fd, counter)).toBe(8);
  expect(read(fd, counter)).toBe(8);
  expect(counter.bytes[0]).toBe(7);
  close(fd);
});

test("a mapping is seen through its view, also at an address inside a WebAssembly memory", () => {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const base = runtime.addressOf(memory);
  const at = (base + pageSize) as typeof base;
  const address = mmap(pageSize, 3, 0x01 | 0x10 | 0x20, -1, 0, at);
  expect(address).toBe(at);
  new Uint8Array(runtime.view(address, pageSize))[5] = 9;
  expect(new Uint8Array(memory.buffer)[pageSize + 5]).toBe(9);
  munmap(mmap(pageSize, 3, 0x22, -1), pageSize);
});

test("a failed mapping is an error", () => {
  expect(thrown(() => mmap(pageSize, 1, 1, -1)).code).toBe("EBADF");
});

test("524 has a name although libc has none", () => {
  expect(errnoName(524)).toBe("ENOTSUPP");
  expect(errnoName(9999)).toBe("E9999");
  expect(errnoText(9999)).toBe("error 9999");
});

test("withNetns runs in place without a path and refuses asynchronous work", () => {
  expect(withNetns(undefined, () => 5)).toBe(5);
  expect(withNetns("/proc/self/ns/net", () => 6)).toBe(6);
  expect(thrown(() => withNetns(undefined, async () => 1)).code).toBe("EINVAL");
  expect(thrown(() => withNetns("/proc/self/ns/net", () => Promise.resolve(1))).code).toBe("EINVAL");
  expect(thrown(() => withNetns("/run/netns/weir-none", () => 1)).code).toBe("ENOENT");
});

test("an asset that is missing says how to build it", () => {
  expect(runtime.readAsset("package.json").byteLength).toBeGreaterThan(10);
  expect(thrown(() => runtime.readAsset("assets/none")).message).toContain("npm run build");
});

test("datagrams arrive one by one without a thread", async () => {
  // NETLINK_ROUTE: a request is answered on the same socket.
  const fd = socket(16, SOCK_DGRAM | 0x800, 0);
  const got = Promise.withResolvers<Uint8Array>();
  const watching = runtime.onDatagram(fd, (datagram) => got.resolve(datagram.slice()), got.reject);
  const request = runtime.alloc(20);
  request.view.setUint32(0, 20, true);
  request.view.setUint16(4, 18, true); // RTM_GETLINK
  request.view.setUint16(6, 0x301, true); // NLM_F_REQUEST | NLM_F_DUMP
  write(fd, request);
  const answer = await got.promise;
  expect(new DataView(answer.buffer).getUint16(4, true)).toBe(16); // RTM_NEWLINK
  watching[Symbol.dispose]();
});
