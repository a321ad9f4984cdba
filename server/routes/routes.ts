// SPDX-License-Identifier: Apache-2.0
/** `/v1/vrfs/{vrf}/routes`: the routes of a VRF. `/v1/routes`: those of all VRFs. */

import type { Facade } from "../facade.ts";
import { resourceInVrf } from "./in_vrf.ts";

export const routes = (facade: Facade) => resourceInVrf(facade, "routes");
