// SPDX-License-Identifier: Apache-2.0
/** `/v1/vrfs`. VRFs: isolated routing and bridging domains. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const vrfs = (facade: Facade) => namedResource(facade, "vrfs");
