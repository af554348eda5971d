/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verdict for a flow. */
#ifndef MERBRIDGE_POLICY_VERDICT_H
#define MERBRIDGE_POLICY_VERDICT_H

#include <stdbool.h>
#include "abi/hop.h"
#include "lib/bpf.h"

/* A verdict also says which hop of the mesh a flow is: it is an enum mb_hop, or a variant of one. */
#define MB_VARIANT 8

enum mb_verdict {
	MB_VERDICT_KEEP = MB_HOP_NONE, /* it keeps its destination */
	MB_VERDICT_OUTBOUND = MB_HOP_OUTBOUND,
	MB_VERDICT_INBOUND = MB_HOP_INBOUND,   /* from a sidecar to that of another pod */
	MB_VERDICT_DELIVERY = MB_HOP_DELIVERY, /* it keeps its destination, too */
	MB_VERDICT_LOOP = MB_HOP_LOOP,
	MB_VERDICT_DIRECT = MB_HOP_DIRECT,
	/* The rules could not be read: it keeps its destination. */
	MB_VERDICT_UNREADABLE = MB_HOP_NONE | MB_VARIANT,
	/* Rules that redirect loopback destinations redirect the outbound port as well, all to one address. Then source
	 * ports can collide, and connection tracking in the pod may change them in the packets. */
	MB_VERDICT_OUTBOUND_TRANSLATED = MB_HOP_OUTBOUND | MB_VARIANT,
	/* From a sidecar to its own pod. */
	MB_VERDICT_SELF_CALL = MB_HOP_INBOUND | MB_VARIANT,
};

static __always_inline __u8 mb_hop_of(enum mb_verdict verdict)
{
	return verdict & ~MB_VARIANT;
}

static __always_inline bool mb_redirects(enum mb_verdict verdict)
{
	__u8 hop = mb_hop_of(verdict);

	return hop == MB_HOP_OUTBOUND || hop == MB_HOP_INBOUND || hop == MB_HOP_DIRECT;
}

#endif
