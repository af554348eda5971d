/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses. */
#ifndef MERBRIDGE_LIB_ADDRESS_H
#define MERBRIDGE_LIB_ADDRESS_H

#include "abi/address.h"
#include "lib/bpf.h"

static __always_inline struct mb_address mb_from_ip4(__be32 ip)
{
	struct mb_address address = { .word = { 0, 0, bpf_htonl(0xffff), ip } };

	return address;
}

#define MB_LOCALHOST 0x7f000001

/* Addresses are compared without a branch per word: each branch would double the paths that the verifier follows. */

/* All zero means no address. The unspecified address of IPv4, ::ffff:0.0.0.0, counts as one. */
static __always_inline bool mb_is_set(const struct mb_address *address)
{
	return address->word[0] | address->word[1] | address->word[2] | address->word[3];
}

static __always_inline bool mb_is_same(const struct mb_address *one, const struct mb_address *other)
{
	return !((one->word[0] ^ other->word[0]) | (one->word[1] ^ other->word[1]) | (one->word[2] ^ other->word[2]) |
		 (one->word[3] ^ other->word[3]));
}

/* Is this ::ffff:`ip` in the bits of the mask? */
static __always_inline bool mb_is_ip4_in(const struct mb_address *address, __be32 ip, __be32 mask)
{
	return !(address->word[0] | address->word[1] | (address->word[2] ^ bpf_htonl(0xffff)) |
		 ((address->word[3] ^ ip) & mask));
}

static __always_inline bool mb_is_ip4(const struct mb_address *address, __be32 ip)
{
	return mb_is_ip4_in(address, ip, 0xffffffff);
}

/* Is this an IPv4 address? */
static __always_inline bool mb_is_mapped(const struct mb_address *address)
{
	return mb_is_ip4_in(address, 0, 0);
}

static __always_inline bool mb_is_localhost(const struct mb_address *address)
{
	return mb_is_ip4(address, bpf_htonl(MB_LOCALHOST));
}

static __always_inline bool mb_is_loopback(const struct mb_address *address)
{
	return mb_is_ip4_in(address, bpf_htonl(0x7f000000), bpf_htonl(0xff000000));
}

/* A random address of 127.128.0.0/9. One fixed address would have only one range of source ports, which would all be in
 * TIME_WAIT after a minute of load. */
static __always_inline struct mb_address mb_rotating_loopback(void)
{
	return mb_from_ip4(bpf_htonl(0x7f800000 | (bpf_get_prandom_u32() & 0x007fffff)));
}

static __always_inline bool mb_is_rotating_loopback(const struct mb_address *address)
{
	return mb_is_ip4_in(address, bpf_htonl(0x7f800000), bpf_htonl(0xff800000));
}

#endif
