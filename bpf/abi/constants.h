/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Constants of the ABI. */
#ifndef MERBRIDGE_ABI_CONSTANTS_H
#define MERBRIDGE_ABI_CONSTANTS_H

enum mb_constant {
	/* Instead of a socket in mb_settings.owner: everything is pinned, including the gate of hooks/ingress.bpf.c,
	 * so no process has to be alive. Never an address. */
	MB_OWNER_PINS = 1,
	/* Maximum number of ports in mb_profile.excluded_inbound. */
	MB_MAX_EXCLUDED = 16,
	/* Bits of the prefix of a mb_rule_range before its address. */
	MB_RULE_RANGE_FIXED = 64,
	/* Added to mb_rule_range.list for IPv6, because ::/0 would match every IPv4 address (::ffff:0:0/96). */
	MB_RULES_OF_IPV6 = 16,
};

#endif
