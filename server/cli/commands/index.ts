// SPDX-License-Identifier: Apache-2.0
/** Every command, in the order in which help lists them. */

import type { Command } from "../command.ts";
import { apply } from "./apply.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { down } from "./down.ts";
import { drops } from "./drops.ts";
import { flows } from "./flows.ts";
import { get } from "./get.ts";
import { lab } from "./lab.ts";
import { capture } from "./later.ts";
import { serve } from "./serve.ts";
import { trace } from "./trace.ts";

export const commands: readonly Command[] = [serve, apply, get, flows, drops, trace, capture, doctor, down, lab, demo];
