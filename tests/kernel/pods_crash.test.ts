// SPDX-License-Identifier: Apache-2.0
// Runs alone: no packet may be lost under load.
/** SIGKILL of `weir serve` under load, on a host whose own stack would forward everything. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type CrashReport, runCrash } from "./pods_crash.ts";
import { type Hook, hooks } from "./pods_node.ts";

/** The two minutes are those of tests/soak/headless.ts. */
const PAUSE_MS = 10_000;

setDefaultTimeout(180_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`a controller on the ${hook} hook that is killed under load`, () => {
    let report: CrashReport;

    beforeAll(async () => {
      report = await runCrash({ hook, pauseMs: PAUSE_MS });
    });

    test("costs no packet of a flow that was there, dead or when the next one adopts", () => {
      expect(report.flushed).toBeGreaterThanOrEqual(4);
      expect(report.pings.ipv4.sent).toBeGreaterThan(PAUSE_MS / 3);
      expect(report.pings.ipv4.received).toBe(report.pings.ipv4.sent);
      expect(report.pings.ipv6.received).toBe(report.pings.ipv6.sent);
    });

    test("costs no byte of a download", () => {
      expect(report.download.served).toMatch(/^[0-9a-f]{64}$/);
      expect(report.download.received).toBe(report.download.served);
    });

    test("leaves pods their gateway", () => {
      expect(report.gatewayAnswers).toBe(true);
    });

    test("leaves new flows undecided, dropped and counted one by one", () => {
      expect(report.newFlowsDelivered).toBe(0);
      expect(report.newFlows.sent).toBe(11);
      expect(report.newFlows.counted).toBe(report.newFlows.sent);
    });

    test("opens no way past policy, alive, dead or adopted, though the host would forward", () => {
      expect(report.linuxForwards).toBe(true);
      expect(report.captureWorks).toBe(true);
      expect(report.probes).toBeGreaterThan(200);
      expect(report.leaked).toEqual({ alive: [], dead: [], adopted: [] });
      expect(Object.values(report.hostStack)).toEqual([0, 0, 0, 0, 0]);
    });

    test("is followed by one that decides again", () => {
      expect(report.decidesAgain).toBe(true);
    });
  });
}
