// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { EventHub, type NewEvent } from "./events.ts";

const quiet = () => new EventHub();
const miss = (sport: number): NewEvent => ({
  kind: "flow-miss",
  interface: "h0",
  flow: { vrf: "red", proto: "udp", src: "10.0.0.1", sport, dst: "10.0.0.2", dport: 53 },
});

test("a reader gets the kinds that it asked for, and the iteration ends by the signal", async () => {
  const hub = quiet();
  const abort = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of hub.subscribe(["flow-miss"], { signal: abort.signal })) seen.push(event.kind);
  })();
  await Promise.resolve();
  hub.emit(miss(1));
  hub.emit({ kind: "packet", interface: "h0", trap: "arp", length: 60 });
  await Bun.sleep(1);
  abort.abort();
  await reading;
  expect(seen).toEqual(["flow-miss"]);
  expect(hub.wanted("flow-miss")).toBe(false);
});

test("a slow reader is told how many events it lost", async () => {
  const hub = quiet();
  const events = hub.subscribe(["flow-miss"], { buffer: 2 });
  for (let i = 0; i < 5; i++) hub.emit(miss(i));
  const seen: unknown[] = [];
  for await (const event of events) {
    seen.push(event.kind === "lost" ? event.count : event.kind);
    if (event.kind === "lost") break;
  }
  expect(seen).toEqual(["flow-miss", "flow-miss", 3]);
});

test("events that were lost before they came are told to those who read their kind", async () => {
  const hub = quiet();
  const misses = hub.subscribe(["flow-miss"]);
  const drops = hub.subscribe(["drop", "link"]);
  hub.lose(["drop"], 7);
  hub.emit(miss(1));
  for await (const event of drops) {
    expect(event).toMatchObject({ kind: "lost", count: 7 });
    break;
  }
  for await (const event of misses) {
    expect(event.kind).toBe("flow-miss");
    break;
  }
});

test("interest is given up when the reader leaves", async () => {
  let interested = 0;
  const hub = new EventHub();
  hub.addSource(() => {
    interested++;
    return { [Symbol.dispose]: () => void interested-- };
  });
  const events = hub.subscribe(["flow-miss"]);
  expect(interested).toBe(1);
  hub.emit(miss(1));
  for await (const _ of events) break;
  expect(interested).toBe(0);
});
