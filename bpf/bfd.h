/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BFD sessions (RFC 5880) of the router's own, where the controller takes them. */
#ifndef WEIR_BFD_H
#define WEIR_BFD_H

#include "answer_echo.h"
#include "controller_protocols.h"
#include "source_check.h"
#include "trap.h"
#include "tunnel_lookup.h"

/* The trap, for a packet to a gateway or, by a fabric interface, to a tunnel end; else CONTINUE. */
static __always_inline int take_bfd(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	if (!i || !is_bfd(w))
		return CONTINUE;
	if (i->role == ROLE_FABRIC ? !is_own_underlay(w) : !is_gateway(w))
		return CONTINUE;
	/* Its source has to be right as that of any other packet, and is looked at where theirs is. */
	if ((i->flags & INTERFACE_SOURCE_CHECK) && !source_is_own(p, i))
		return CONTINUE;
	return trap(p, TRAP_BFD);
}
STAGE(take_bfd)

#endif
