// SPDX-License-Identifier: Apache-2.0
/** `/v1/qos`. QoS maps: code points and forwarding classes. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const qos = (facade: Facade) => namedResource(facade, "qos");
