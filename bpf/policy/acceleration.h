/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* May this connection be accelerated? The decision reads maps only, so a change applies to existing sockets, too. */
#ifndef MERBRIDGE_POLICY_ACCELERATION_H
#define MERBRIDGE_POLICY_ACCELERATION_H

#include "abi/hop.h"
#include "lib/bpf.h"
#include "maps/pods.h"
#include "maps/settings.h"
#include "policy/message-verdict.h"

static __always_inline bool mb_pod_allows(const struct mb_address *address, __u32 inherited, __u32 needed)
{
	struct mb_pod *pod = bpf_map_lookup_elem(&local_pod_ips, address);
	__u32 acceleration;

	if (!pod)
		return false;
	acceleration = pod->acceleration == MB_INHERIT ? inherited : pod->acceleration;
	return acceleration >= needed;
}

/* MB_PROXIES is enough between two sidecars. If an end is an application, MB_FULL is needed. Every pod that has an end
 * must allow it, and MB_OFF for the whole accelerator overrides all pods. */
static __always_inline bool mb_may_accelerate(const struct mb_settings *settings, const struct mb_address pods[2],
					      __u32 hop)
{
	__u32 needed = hop == MB_HOP_INBOUND ? MB_PROXIES : MB_FULL;

	if (settings->acceleration == MB_OFF)
		return false;
	if (!mb_pod_allows(&pods[0], settings->acceleration, needed))
		return false;
	return pods[1].word[3] == 0 || mb_pod_allows(&pods[1], settings->acceleration, needed);
}

/* MB_REDIRECT, or the reason why this connection is not accelerated. */
static __always_inline enum mb_message_verdict mb_acceleration_verdict(const struct mb_settings *settings,
								       const struct mb_address pods[2], __u32 hop)
{
	if (settings->acceleration == MB_OFF)
		return MB_PASS_SWITCH;
	return mb_may_accelerate(settings, pods, hop) ? MB_REDIRECT : MB_PASS_SCOPE;
}

#endif
