/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the two ends of a connection come to know each other. The dialling end enters sock_pair_map first, and leaves an
 * introduction for the accepting end. That one enters only if it finds it, knows its peer from then on, and leaves an
 * introduction in turn. */
#ifndef MERBRIDGE_ACTIONS_PENDING_PEERS_H
#define MERBRIDGE_ACTIONS_PENDING_PEERS_H

#include "lib/bpf.h"
#include "lib/tuple.h"
#include "maps/sockets.h"

/* What the dialling side wrote for this one, if it is of this node and in scope. It may be taking it back at this
 * moment: then it has begun without this end (mb_take_back), which never enters. */
static __always_inline bool mb_take_introduction(const struct mb_quadruple *key, struct mb_introduction *other)
{
	struct mb_introduction *found;
	struct mb_quadruple reversed;

	mb_reverse(key, &reversed);
	found = bpf_map_lookup_elem(&peer_introductions, &reversed);
	if (!found)
		return false;
	*other = *found;
	return !bpf_map_delete_elem(&peer_introductions, &reversed);
}

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

/* The dialling end goes on alone, if it may: whoever takes the introduction that was made for the other end decides,
 * and only one of both can. */
static __always_inline void mb_take_back(struct mb_peer *peer)
{
	struct mb_quadruple own;

	mb_reverse(&peer->key, &own);
	peer->is_alone = !bpf_map_delete_elem(&peer_introductions, &own);
}

#endif
