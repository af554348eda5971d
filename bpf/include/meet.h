/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the two ends of a connection come to know each other. The dialling end enters sock_pair_map first, and leaves an introduction for the accepting
 * end. That one enters only if it finds it, knows its peer from then on, and leaves an introduction in turn. */
#ifndef MERBRIDGE_MEET_H
#define MERBRIDGE_MEET_H

#include "address.h"

/* Takes what the other end left. It is all zero where that will never enter. */
static __always_inline bool mb_take_answer(struct mb_peer *peer)
{
	struct mb_introduction *other = bpf_map_lookup_elem(&peer_introductions, &peer->key);

	if (!other)
		return false;
	peer->cookie = other->cookie;
	peer->sock = other->sock;
	peer->is_alone = !peer->sock;
	bpf_map_delete_elem(&peer_introductions, &peer->key);
	return true;
}

/* The dialling end goes on alone, if it may: whoever takes the introduction that was made for the other end decides, and only one of both can. */
static __always_inline void mb_take_back(struct mb_peer *peer)
{
	struct mb_quadruple own;

	mb_reverse(&peer->key, &own);
	peer->is_alone = !bpf_map_delete_elem(&peer_introductions, &own);
}

#endif
