/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, alone and with a port. */
#ifndef MERBRIDGE_ABI_ADDRESS_H
#define MERBRIDGE_ABI_ADDRESS_H

#include <linux/types.h>

/* An address in one form for both families: IPv4 is ::ffff:a.b.c.d, network byte order. */
struct mb_address {
	__be32 word[4];
};

/* An address with a port, both in network byte order. */
struct mb_endpoint {
	struct mb_address address;
	__be16 port;
	__u16 pad;
};

_Static_assert(sizeof(struct mb_endpoint) == 20, "mb_endpoint");

#endif
