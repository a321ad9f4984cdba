// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Into a tunnel and out of it. */
#include "tunnel_cost.h"
#include "restored_programs.h"
