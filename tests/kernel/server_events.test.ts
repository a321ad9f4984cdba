// SPDX-License-Identifier: Apache-2.0
/** `GET /v1/events` of a running `weir serve`, read by curl. */

import { expect, test } from "bun:test";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { CommandLab, podsState } from "./cli_support.ts";

const PACKET_BYTES = 98;

test("curl sees dropped packets with policy, rule and head as they happen, and is let go when the instance ends", async () => {
  await using lab = new CommandLab("sources", `wgev${process.pid}`);
  const serving = await lab.serve();
  expect(await lab.weir("apply", "-f", lab.state(podsState(lab.lab)))).toMatchObject({ status: 0 });
  const url = "http://weir/v1/events?kinds=drop";
  const curl = Bun.spawn(["curl", "-sN", "--unix-socket", lab.socket, url], { stdout: "pipe", stderr: "pipe" });
  let text = "";
  const reading = (async () => {
    for await (const chunk of curl.stdout) text += new TextDecoder().decode(chunk);
  })();
  await waitFor(() => text.startsWith(":\n\n"));
  expect(await lab.reaches("c", "b")).toBe(false);
  await waitFor(() => text.includes("policy-deny"));
  const data = /^event: drop\ndata: (.*)$/m.exec(text)?.[1] ?? "{}";
  const event = JSON.parse(data) as Record<string, unknown>;
  expect(event).toMatchObject({
    kind: "drop",
    interface: "vc",
    reason: "policy-deny",
    policy: "web",
    rule: "default",
    length: PACKET_BYTES,
    flow: { vrf: "red", proto: "icmp", src: pods.c.ipv4, dst: pods.b.ipv4 },
  });
  // An Ethernet frame with IPv4.
  expect(event["head"]).toMatch(new RegExp(`^[0-9a-f]{24}080045[0-9a-f]{${2 * PACKET_BYTES - 30}}$`));
  const begun = Date.now();
  serving.kill("SIGTERM");
  expect(await curl.exited).toBe(0);
  expect(await serving.exited).toBe(0);
  await reading;
  expect(Date.now() - begun).toBeLessThan(10_000);
});
