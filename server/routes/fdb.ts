// SPDX-License-Identifier: Apache-2.0
/** `/v1/vrfs/{vrf}/fdb`: the bridge entries of a VRF. `/v1/fdb`: those of all VRFs. */

import type { Facade } from "../facade.ts";
import { resourceInVrf } from "./in_vrf.ts";

export const fdb = (facade: Facade) => resourceInVrf(facade, "fdb");
