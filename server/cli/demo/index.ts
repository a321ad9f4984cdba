// SPDX-License-Identifier: Apache-2.0
/** `weir demo`: the main job, end to end, in a lab. */

import { pods } from "../../../sdk/lab/index.ts";
import { weirCommand } from "../self.ts";
import type { Terminal } from "../terminal.ts";
import { Progress } from "./progress.ts";
import { DEMO_INSTANCE, Stage } from "./stage.ts";
import * as steps from "./steps.ts";

/** What the demo is told. */
export interface DemoOptions {
  /** Leave the lab and the data plane running. */
  readonly keep: boolean;
  readonly terminal: Terminal;
}

/** Runs the demo. Resolves to true if everything held. */
export async function runDemo({ keep, terminal }: DemoOptions): Promise<boolean> {
  const progress = new Progress(terminal);
  await terminal.out("Weir demo: a node with the pods a, b and c; policy lets a, but not c, reach b.\n\n");
  await using cleanup = new AsyncDisposableStack();
  let stage: Stage | undefined;
  await progress.step("lab and data plane", async () => {
    stage = cleanup.use(new Stage());
    await stage.startController({ resume: false });
    const interfaces = await stage.interfaces();
    return interfaces.map(({ name, status }) => `${name} on hook ${status.hook}`).join(", ");
  });
  if (stage === undefined) return false;
  const on = stage;
  await progress.step("ping a to b", () => steps.pingBothFamilies(on));
  await progress.step("HTTP download into a from b", () => steps.downloadIntact(on));
  await progress.step("c is refused", () => steps.refusedByPolicy(on));
  await progress.step("flow table", () => steps.flowTable(on));
  await progress.step("packets that stayed in the kernel", () => steps.keptInKernel(on));
  await progress.step("beside plain Linux routing", () => steps.besideLinux(on));
  await progress.step("the controller is killed in the middle of a download", () => steps.survivesKill(on));
  await progress.step("a new controller takes over", () => steps.adoptsAgain(on));
  await progress.summary();
  if (keep && progress.allHeld) {
    await on.leave();
    cleanup.move();
    await terminal.out(instructions(on));
  }
  return progress.allHeld;
}

/** How to look around after `--keep`. */
function instructions({ lab }: Stage): string {
  const enter = (name: string) => `nsenter --net=${lab.path(name)}`;
  const weir = weirCommand(["--name", DEMO_INSTANCE]).join(" ");
  return `
The lab and the data plane are still there.
  ${enter("a")} ping ${pods.b.ipv4}
  ${weir} flows
  ${weir} drops
Remove them with:
  ${enter("node")} ${weir} down && ${weir} lab down
`;
}
