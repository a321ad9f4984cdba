// SPDX-License-Identifier: Apache-2.0
/** `/v1/labels`. Labels of received packets. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const labels = (facade: Facade) => namedResource(facade, "labels");
