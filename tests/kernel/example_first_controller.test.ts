// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Lab, NODE, pods, waitFor } from "../../sdk/lab/index.ts";

const main = `${import.meta.dirname}/../../examples/first-controller/main.ts`;

const deno = `${import.meta.dirname}/../../node_modules/.bin/deno`;

const runtimes: readonly (readonly [string, readonly string[]])[] = [
  ["Bun", [process.execPath]],
  ["Deno", [deno, "run", "--allow-all", "--quiet"]],
];

test.each(runtimes)(
  "under %s the first controller forwards pings and the web, refuses the rest, and leaves nothing",
  async (_, runtime) => {
    await using lab = Lab.create("pods", { prefix: `wF-${process.pid}-first-` });
    const controller = Bun.spawn([...runtime, main, lab.path(NODE)], { stdout: "pipe", stderr: "pipe" });
    const complaints = new Response(controller.stderr).text();
    const lines: string[] = [];
    const reading = (async () => {
      const decoder = new TextDecoder();
      let rest = "";
      for await (const chunk of controller.stdout) {
        const parts = (rest + decoder.decode(chunk)).split("\n");
        rest = parts.pop() ?? "";
        lines.push(...parts);
      }
    })();
    try {
      await waitFor(() => lines.includes("ready"), { timeoutMs: 20_000, what: "the controller" });
      expect((await lab.ping("a", pods.b.ipv4, { count: 3 })).received).toBe(3);
      expect((await lab.ping("a", pods.b.ipv6, { count: 3 })).received).toBe(3);
      await using _server = lab.spawn("b", [
        "python3",
        "-m",
        "http.server",
        "80",
        "-d",
        "/dev/null",
        "-b",
        pods.b.ipv4,
      ]);
      const web = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "--retry",
        "20",
        "--retry-connrefused",
        "-w",
        "%{http_code}",
        `http://${pods.b.ipv4}/`,
      ];
      expect((await lab.exec("a", web)).stdout).toBe("404");
      const refused = await lab.exec("a", [
        "curl",
        "-s",
        "-m",
        "3",
        "-w",
        "%{exitcode}",
        `http://${pods.b.ipv4}:8080/`,
      ]);
      expect(refused.stdout).toContain("7"); // CURLE_COULDNT_CONNECT: refused, not timed out
      expect(lines).toContain(
        `forward icmp ${pods.a.ipv4} to ${pods.b.ipv4} port ${lines
          .find((line) => line.includes("icmp "))
          ?.split(" ")
          .at(-1)}`,
      );
      expect(lines).toContain(`forward tcp ${pods.a.ipv4} to ${pods.b.ipv4} port 80`);
      expect(lines).toContain(`reject tcp ${pods.a.ipv4} to ${pods.b.ipv4} port 8080`);
    } finally {
      controller.kill("SIGTERM");
      await reading;
    }
    expect([await controller.exited, await complaints]).toEqual([0, ""]);
    expect(existsSync("/sys/fs/bpf/weir/first")).toBe(false);
  },
);
