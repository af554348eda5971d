/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets: how a pod changes the rules of its mesh, for instance with annotations. */
#ifndef MERBRIDGE_ABI_RULES_H
#define MERBRIDGE_ABI_RULES_H

#include "abi/address.h"

/* The lists of a rule set. Ports are in pod_rule_ports, ranges in pod_rule_ranges. */
enum mb_rule_list {
	/* Redirected, or with MB_RULES_ALL_INBOUND not redirected. */
	MB_INBOUND_PORTS,
	MB_EXCLUDE_OUTBOUND_PORTS,
	MB_INCLUDE_OUTBOUND_PORTS,
	MB_EXCLUDE_OUTBOUND_RANGES,
	MB_INCLUDE_OUTBOUND_RANGES,
};

/* Flags of a rule set; 1 << enum mb_rule_list says that this list is not empty. */
enum mb_rules_flag {
	MB_RULES_ALL_INBOUND = 1 << 16,
	MB_RULES_ALL_OUTBOUND = 1 << 17,
	/* An included range begins in 127.0.0.0/8 or with ::1. */
	MB_RULES_LOOPBACK = 1 << 18,
};

/* Value of pod_rules. A set is never changed: a pod whose rules change refers to another set. Reserved members are
 * zero. They are meant for other meshes and for DNS. */
struct mb_rules {
	/* Digest of the contents of the set, by which user space finds an equal one. */
	__u64 digest[2];
	/* Flags of enum mb_rules_flag. */
	__u32 flags;
	__u32 reserved[11];
};

/* Key of pod_rule_ports. */
struct mb_rule_port {
	__u32 set;
	/* Host byte order. */
	__u16 port;
	/* enum mb_rule_list */
	__u8 list;
	/* IPPROTO_TCP */
	__u8 protocol;
};

/* Key of pod_rule_ranges, an LPM trie. Set and list must match completely, so the prefix has at least
 * MB_RULE_RANGE_FIXED bits. */
struct mb_rule_range {
	/* Length of the prefix of all following members, in bits. */
	__u32 prefix;
	__u32 set;
	/* enum mb_rule_list, and MB_RULES_OF_IPV6 for ranges of IPv6. */
	__u32 list;
	struct mb_address address;
};

_Static_assert(sizeof(struct mb_rules) == 64, "mb_rules");
_Static_assert(sizeof(struct mb_rule_port) == 8, "mb_rule_port");
_Static_assert(sizeof(struct mb_rule_range) == 28, "mb_rule_range");

#endif
