// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import type { LiveInterface } from "./live.ts";
import { LiveInterfaces } from "./live_interfaces.ts";

const live = (name: string, ifindex?: number, parent?: string): LiveInterface =>
  ({ object: { name, parent }, device: ifindex === undefined ? undefined : { ifindex } }) as LiveInterface;

const found = (lives: LiveInterfaces, ifindex: number) => lives.onDevice(ifindex)?.object.name;

test("an interface is found by its device for as long as it has that", () => {
  const lives = new LiveInterfaces();
  lives.set("a", live("a", 5));
  expect(found(lives, 5)).toBe("a");
  lives.set("a", live("a", 6));
  expect([found(lives, 5), found(lives, 6)]).toEqual([undefined, "a"]);
  lives.set("a", live("a"));
  expect(found(lives, 6)).toBeUndefined();
  lives.set("a", live("a", 7));
  lives.delete("a");
  expect([found(lives, 7), lives.size]).toEqual([undefined, 0]);
});

test("a sub-interface does not stand for the device that carries it", () => {
  const lives = new LiveInterfaces();
  lives.set("a.7", live("a.7", 5, "a"));
  expect(found(lives, 5)).toBeUndefined();
  lives.set("a", live("a", 5));
  lives.delete("a.7");
  expect(found(lives, 5)).toBe("a");
});

test("an interface is found by the name that its device has in the state, and by that it waits", () => {
  const lives = new LiveInterfaces();
  lives.set("a", { ...live("a"), refused: "another device" });
  expect([lives.named("a")?.object.name, [...lives.refusing]]).toEqual(["a", ["a"]]);
  lives.set("a", live("a", 5));
  expect([...lives.refusing]).toEqual([]);
  lives.set("b", { ...live("b", 6), object: { name: "b", device: "a" } } as LiveInterface);
  lives.set("a", { ...live("a", 5), object: { name: "a", device: "c" } } as LiveInterface);
  expect(["a", "b", "c"].map((device) => lives.named(device)?.object.name)).toEqual(["b", undefined, "a"]);
  lives.delete("b");
  expect(lives.named("a")).toBeUndefined();
});

test("of two that have one device the later one counts, and the other one again when that goes", () => {
  const lives = new LiveInterfaces();
  lives.set("old", live("old", 5));
  lives.set("new", live("new", 5));
  expect(found(lives, 5)).toBe("new");
  lives.delete("new");
  expect(found(lives, 5)).toBe("old");
  lives.clear();
  expect(found(lives, 5)).toBeUndefined();
});
