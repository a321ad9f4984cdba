// SPDX-License-Identifier: Apache-2.0
import { defineCommand } from "../command.ts";

export const demo = defineCommand({
  name: "demo",
  summary: "the main job, end to end, in a lab of namespaces",
  usage: "[--keep]",
  help: `
      --keep         leave the lab and the data plane running`,
  flags: { keep: { type: "boolean" } },
  run: async ({ flags }, { terminal }) => {
    const { runDemo } = await import("../demo/index.ts");
    return (await runDemo({ keep: flags.keep ?? false, terminal })) ? 0 : 1;
  },
});
