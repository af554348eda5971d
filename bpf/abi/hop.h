/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hops of a mesh. */
#ifndef MERBRIDGE_ABI_HOP_H
#define MERBRIDGE_ABI_HOP_H

/* Which hop of the mesh a connection is. */
enum mb_hop {
	MB_HOP_NONE = 0,
	/* Application to the outbound port of its own sidecar. */
	MB_HOP_OUTBOUND = 1,
	/* Anything to the inbound port of a pod's sidecar. */
	MB_HOP_INBOUND = 2,
	/* Sidecar to its own application, from the passthrough address. */
	MB_HOP_DELIVERY = 3,
	/* Sidecar to itself: refused. */
	MB_HOP_LOOP = 4,
	/* Application, past its own sidecar, to the inbound port of another pod's sidecar. */
	MB_HOP_DIRECT = 5,
} __attribute__((packed));

#endif
