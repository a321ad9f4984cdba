// SPDX-License-Identifier: Apache-2.0
/**
 * `bun tests/soak/headless.ts [SECONDS] [tc|xdp]`: kills the controller under load, on both hooks or one, and starts
 * the next one only after two minutes (or SECONDS). Prints what happened meanwhile; exits 1 if a packet was lost or got past policy.
 * Needs root, and what `npm test` installs.
 */
import { type CrashReport, runCrash } from "../kernel/pods_crash.ts";
import { hooks } from "../kernel/pods_node.ts";

const [time = "120", only] = process.argv.slice(2);
const seconds = Number(time);
const wanted = hooks.filter((hook) => only === undefined || hook === only);
if (!Number.isFinite(seconds) || seconds < 0 || wanted.length === 0) {
  console.error("usage: bun tests/soak/headless.ts [SECONDS] [tc|xdp]");
  process.exit(2);
}

/** What did not hold, in words. */
function complaints(report: CrashReport): string[] {
  const { pings, download, newFlows, leaked, hostStack } = report;
  const found: string[] = [];
  const unless = (held: boolean, complaint: string) => void (held || found.push(complaint));
  for (const [family, { sent, received }] of Object.entries(pings)) {
    unless(sent > 0 && received === sent, `${sent - received} of ${sent} packets of the ${family} flow were lost`);
  }
  unless(download.received === download.served, "the download did not arrive as it was");
  unless(report.gatewayAnswers, "a pod did not find its gateway");
  unless(report.newFlowsDelivered === 0, `${report.newFlowsDelivered} packets of undecided flows got through`);
  unless(newFlows.counted === newFlows.sent, `${newFlows.counted} of ${newFlows.sent} drops were counted`);
  for (const [phase, names] of Object.entries(leaked)) {
    unless(names.length === 0, `past policy while ${phase}: ${names.join(", ")}`);
  }
  for (const [counter, packets] of Object.entries(hostStack)) {
    unless(packets === 0, `the node's own stack counted ${packets} ${counter}`);
  }
  unless(report.captureWorks && report.linuxForwards, "the measurement itself did not work");
  unless(report.decidesAgain, "the next controller decided no flow");
  return found;
}

for (const hook of wanted) {
  console.log(`${hook}: no controller for ${seconds} s ...`);
  const report = await runCrash({ hook, pauseMs: seconds * 1000 });
  const { ipv4, ipv6 } = report.pings;
  console.log(
    `${hook}: ${ipv4.received} of ${ipv4.sent} IPv4 and ${ipv6.received} of ${ipv6.sent} IPv6 packets came through; ` +
      `${report.flushed} neighbours flushed; 3 times ${report.probes} denied frames tried; ` +
      `${report.newFlows.counted} drops of new flows counted; adopted after ${report.restartMs.toFixed(0)} ms`,
  );
  for (const complaint of complaints(report)) {
    console.log(`${hook}: FAILED: ${complaint}`);
    process.exitCode = 1;
  }
}
