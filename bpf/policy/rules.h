/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the rule set of a pod. */
#ifndef MERBRIDGE_POLICY_RULES_H
#define MERBRIDGE_POLICY_RULES_H

#include "abi/constants.h"
#include "abi/rules.h"
#include "lib/bpf.h"
#include "lib/errno.h"
#include "maps/pods.h"
#include "maps/rules.h"

/* The rules of a pod as one decision sees them. `set` is read once. The contents of a set never change. */
struct mb_rules_of {
	__u32 set; /* 0 = the profile's own rules: everything except its excluded inbound ports */
	__u32 flags;
};

/* An element of local_pod_ips that is replaced may be reused for another pod at once, even while this program is
 * delayed between look-up and read. So the values are valid only if the same element is still in the map. */
#define MB_READS 4

/* 0, -ENOENT: the pod is not enrolled (any more), or -EAGAIN: its rules changed faster than they can be read, or refer
 * to a set that does not exist. */
static __always_inline int mb_rules_of(const struct mb_address *pod_address, struct mb_rules_of *rules)
{
	/* On the stack, because Linux 6.1 does not accept an argument of a global function as the key of a map. */
	struct mb_address address = *pod_address;

	for (int i = 0; i < MB_READS; i++) {
		struct mb_pod *pod = bpf_map_lookup_elem(&local_pod_ips, &address), *again;
		const struct mb_rules *found;
		__u32 set;

		if (!pod)
			return -ENOENT;
		set = *(volatile __u32 *)&pod->rules;
		barrier();
		again = bpf_map_lookup_elem(&local_pod_ips, &address);
		if (again != pod || !again || *(volatile __u32 *)&again->rules != set)
			continue;
		rules->set = set;
		rules->flags = MB_RULES_ALL_INBOUND | MB_RULES_ALL_OUTBOUND;
		if (!set)
			return 0;
		found = bpf_map_lookup_elem(&pod_rules, &set);
		if (!found)
			break;
		rules->flags = found->flags;
		return 0;
	}
	return -EAGAIN;
}

static __always_inline bool mb_lists_port(const struct mb_rules_of *rules, __u8 list, __u16 port)
{
	struct mb_rule_port key = { .set = rules->set, .port = port, .list = list, .protocol = IPPROTO_TCP };

	return (rules->flags & (1u << list)) && bpf_map_lookup_elem(&pod_rule_ports, &key);
}

static __always_inline bool mb_lists_address(const struct mb_rules_of *rules, __u32 list,
					     const struct mb_address *address)
{
	struct mb_rule_range key = {
		.prefix = MB_RULE_RANGE_FIXED + 128, .set = rules->set, .list = list, .address = *address
	};

	return (rules->flags & (1u << list)) && bpf_map_lookup_elem(&pod_rule_ranges, &key);
}

#endif
