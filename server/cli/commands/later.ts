// SPDX-License-Identifier: Apache-2.0
/** Commands that the contract names and this version does not have. */

import type { Command } from "../command.ts";
import { UsageError } from "../failure.ts";

const refuse = (name: string, summary: string): Command => ({
  name,
  summary: `${summary} (not in this version)`,
  usage: "",
  help: "",
  main: async () => {
    throw new UsageError(`Cannot run weir ${name}: this version of weir does not have it yet; see: weir help`);
  },
});

export const capture = refuse("capture", "write packets to a pcapng file");
