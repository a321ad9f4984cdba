// SPDX-License-Identifier: Apache-2.0
/** The state of TCP connections on both hooks: what changes it, and what must not (bpf/flow_tcp.h). */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { flowStates, INTERFACE_POLICY, NEXTHOP_FLAG_POLICY } from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_A, MAC_B, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, tcp } from "./pipeline_packets.ts";

const CLIENT = { source: "10.97.0.1", destination: "10.97.0.2", sourcePort: 1000, destinationPort: 2000 };
const SERVER = { source: "10.97.0.2", destination: "10.97.0.1", sourcePort: 2000, destinationPort: 1000 };
const TUPLE = { ...CLIENT, protocol: 6 };
const REVERSE = { ...SERVER, protocol: 6 };
/** First sequence numbers; the client's wraps around within its first kilobyte. */
const C = 0xffff_ff00;
const S = 5000;
const wrap = (number: number) => number >>> 0;
/** MSS 1460, NOP, window scale 7: the last option ends with the header. */
const SCALE_7 = [2, 4, 0x05, 0xb4, 1, 3, 3, 7];

interface Segment {
  readonly seq: number;
  readonly ack?: number;
  readonly window?: number;
  readonly bytes?: number;
  readonly options?: readonly number[];
}

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
}, 60_000);
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.controllerStarts();
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addRoute(1, "10.97.0.1/32", 1);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
});

describe.each(hooks)("on the %s hook", (hook) => {
  function segment(from: "client" | "server", flags: number, { seq, ack, window, bytes, options }: Segment): string {
    pipeline.receiveOn(from === "client" ? 1 : 2);
    const frame = tcp({
      ...(from === "client" ? CLIENT : { ...SERVER, from: MAC_B }),
      flags,
      sequence: wrap(seq),
      acknowledgement: wrap(ack ?? 0),
      window: window ?? 1000,
      payload: new Uint8Array(bytes ?? 0),
      tcpOptions: options ?? [],
    });
    return trapOf(pipeline.run(hook, frame))?.reason ?? "out";
  }
  const client = (flags: number, o: Segment) => segment("client", flags, o);
  const server = (flags: number, o: Segment) => segment("server", flags, o);

  function state(): string | undefined {
    expect(pipeline.flow(REVERSE)?.state).toBe(pipeline.flow(TUPLE)?.state as number);
    return flowStates[pipeline.flow(TUPLE)?.state ?? -1];
  }

  function decide(): void {
    expect(pipeline.decide(TUPLE, { generation: pipeline.flow(TUPLE)?.generation ?? 0 }).result).toBe("ok");
  }

  /** The client's SYN, decided and sent on. */
  function connect(options: readonly number[] = []): void {
    expect(client(TCP_SYN, { seq: C, options })).toBe("flow-miss");
    decide();
    expect(client(TCP_SYN, { seq: C, options })).toBe("out");
  }

  function establish(options: readonly number[] = []): void {
    connect(options);
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 1, options });
    client(TCP_ACK, { seq: C + 1, ack: S + 1 });
    expect(state()).toBe("established");
  }

  test("a connection is established when both sides have acknowledged, not before", () => {
    connect();
    expect(state()).toBe("new");
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 1 });
    expect(state()).toBe("new");
    client(TCP_SYN, { seq: C });
    expect(state()).toBe("new");
    client(TCP_ACK, { seq: C + 1, ack: S + 1 });
    expect(state()).toBe("established");
  });

  test("an acknowledgement of what was never sent establishes nothing", () => {
    connect();
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 2 });
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 1 });
    client(TCP_ACK, { seq: C + 1, ack: S + 2 });
    expect(state()).toBe("new");
    client(TCP_ACK, { seq: C + 1, ack: S + 1 });
    expect(state()).toBe("established");
  });

  test("a simultaneous open is established by the second SYN with an acknowledgement", () => {
    connect();
    server(TCP_SYN, { seq: S });
    expect(state()).toBe("new");
    client(TCP_SYN | TCP_ACK, { seq: C, ack: S + 1 });
    expect(state()).toBe("new");
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 1 });
    expect(state()).toBe("established");
  });

  test("a connection that was there before is established by any two segments", () => {
    client(TCP_ACK, { seq: 700, ack: 900, bytes: 10 });
    decide();
    client(TCP_ACK, { seq: 700, ack: 900, bytes: 10 });
    expect(state()).toBe("new");
    server(TCP_ACK, { seq: 900, ack: 710 });
    expect(state()).toBe("established");
  });

  test("FINs of both sides close it, and data may go on after the first", () => {
    establish();
    client(TCP_FIN | TCP_ACK, { seq: C + 1, ack: S + 1 });
    expect(state()).toBe("closing");
    server(TCP_ACK, { seq: S + 1, ack: C + 2, bytes: 500 });
    client(TCP_ACK, { seq: C + 2, ack: S + 501 });
    expect(state()).toBe("closing");
    server(TCP_FIN | TCP_ACK, { seq: S + 501, ack: C + 2 });
    expect(state()).toBe("closed");
    expect(client(TCP_ACK, { seq: C + 2, ack: S + 502 })).toBe("out");
    expect(state()).toBe("closed");
  });

  test("a FIN behind the window, or one of old data, closes nothing and is forwarded", () => {
    establish();
    client(TCP_ACK, { seq: C + 1, ack: S + 1, bytes: 300 });
    server(TCP_ACK, { seq: S + 1, ack: C + 301, window: 1000 });
    expect(client(TCP_FIN | TCP_ACK, { seq: C + 1302, ack: S + 1 })).toBe("out");
    expect(client(TCP_FIN | TCP_ACK, { seq: C + 200, ack: S + 1 })).toBe("out");
    expect(state()).toBe("established");
    client(TCP_FIN | TCP_ACK, { seq: C + 1301, ack: S + 1 });
    expect(state()).toBe("closing");
  });

  test("the window counts with its scale where both sides offered one", () => {
    establish(SCALE_7);
    client(TCP_ACK, { seq: C + 1, ack: S + 1 });
    server(TCP_ACK, { seq: S + 1, ack: C + 1, window: 1000 });
    client(TCP_FIN | TCP_ACK, { seq: C + 128_002, ack: S + 1 });
    expect(state()).toBe("established");
    client(TCP_FIN | TCP_ACK, { seq: C + 128_001, ack: S + 1 });
    expect(state()).toBe("closing");
  });

  test("the window does not count with a scale that one side alone offered", () => {
    connect(SCALE_7);
    server(TCP_SYN | TCP_ACK, { seq: S, ack: C + 1 });
    client(TCP_ACK, { seq: C + 1, ack: S + 1, window: 1000 });
    server(TCP_FIN | TCP_ACK, { seq: S + 1002, ack: C + 1 });
    expect(state()).toBe("established");
    server(TCP_FIN | TCP_ACK, { seq: S + 1001, ack: C + 1 });
    expect(state()).toBe("closing");
  });

  test("a reset closes it exactly where the receiver expects the next byte, or the sender's data ends", () => {
    for (const seq of [C + 1, C + 301]) {
      pipeline.clear();
      establish();
      client(TCP_ACK, { seq: C + 1, ack: S + 1, bytes: 300 });
      client(TCP_RST, { seq });
      expect(state()).toBe("closed");
    }
  });

  test("any other reset changes nothing, in the window or out of it, and is forwarded", () => {
    establish();
    client(TCP_ACK, { seq: C + 1, ack: S + 1, bytes: 300 });
    for (const seq of [C, C + 2, C + 300, C + 302, C + 1001, C + 5000, C + 0x8000_0000]) {
      expect(client(TCP_RST, { seq })).toBe("out");
      expect([seq, state()]).toEqual([seq, "established"]);
    }
    server(TCP_RST, { seq: S + 2 });
    expect(state()).toBe("established");
    server(TCP_RST, { seq: S + 1 });
    expect(state()).toBe("closed");
  });

  test("a reset answers a SYN if it acknowledges it", () => {
    connect();
    server(TCP_RST | TCP_ACK, { seq: 0, ack: C + 7 });
    server(TCP_RST, { seq: 0 });
    expect(state()).toBe("new");
    server(TCP_RST | TCP_ACK, { seq: 0, ack: C + 1 });
    expect(state()).toBe("closed");
  });

  test("a SYN changes nothing while the connection is established or half closed", () => {
    establish();
    expect(client(TCP_SYN, { seq: C + 90_000 })).toBe("out");
    expect(server(TCP_SYN | TCP_ACK, { seq: 1, ack: 2 })).toBe("out");
    expect(state()).toBe("established");
    client(TCP_FIN | TCP_ACK, { seq: C + 1, ack: S + 1 });
    expect(client(TCP_SYN, { seq: C + 90_000 })).toBe("out");
    expect(state()).toBe("closing");
    // What the client answers to the challenge that the server answers the SYN with.
    client(TCP_RST, { seq: C + 2 });
    expect(state()).toBe("closed");
  });

  test("the ports of a closed connection may be used again from the same side, but not from the other", () => {
    establish();
    client(TCP_RST, { seq: C + 1 });
    expect(server(TCP_SYN, { seq: 1 })).toBe("flow-miss");
    expect(client(TCP_SYN, { seq: 77 })).toBe("out");
    expect(state()).toBe("new");
    server(TCP_SYN | TCP_ACK, { seq: 8, ack: 78 });
    client(TCP_ACK, { seq: 78, ack: 9 });
    expect(state()).toBe("established");
    client(TCP_RST, { seq: C + 1 });
    expect(state()).toBe("established");
  });

  test("a connection that ends is looked at by the next sweep", () => {
    establish();
    pipeline.sweep();
    expect(pipeline.sweep(false).looked).toBe(0);
    server(TCP_RST, { seq: S + 1 });
    expect(pipeline.sweep(false).looked).toBe(1);
  });
});
