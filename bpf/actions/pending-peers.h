/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the two ends of a connection come to know each other. The dialling end enters sock_pair_map first, and puts
 * itself into peer_introductions as a pending peer. The accepting end enters only if it finds it there. It knows its
 * peer from then on, and becomes a pending peer of the dialling end in turn. */
#ifndef MERBRIDGE_ACTIONS_PENDING_PEERS_H
#define MERBRIDGE_ACTIONS_PENDING_PEERS_H

#include "lib/bpf.h"
#include "lib/tuple.h"
#include "maps/sockets.h"

/* The dialling end, if it is of this node and accelerated. It may be taking itself out of the map at this moment: then
 * it has begun without this end (mb_take_back), which never enters. */
static __always_inline bool mb_take_pending_peer(const struct mb_tuple *key, struct mb_pending_peer *other)
{
	struct mb_pending_peer *found;
	struct mb_tuple reversed;

	mb_reverse(key, &reversed);
	found = bpf_map_lookup_elem(&peer_introductions, &reversed);
	if (!found)
		return false;
	*other = *found;
	return !bpf_map_delete_elem(&peer_introductions, &reversed);
}

/* Takes what the accepting end wrote. It is all zero where that will never enter. */
static __always_inline bool mb_take_answer(struct mb_socket *socket)
{
	struct mb_pending_peer *other = bpf_map_lookup_elem(&peer_introductions, &socket->peer_key);

	if (!other)
		return false;
	socket->peer_cookie = other->cookie;
	socket->peer_sock = other->sock;
	socket->is_alone = !socket->peer_sock;
	bpf_map_delete_elem(&peer_introductions, &socket->peer_key);
	return true;
}

/* The dialling end goes on alone, if it may: one of both ends takes its entry out of the map, and that one decides. */
static __always_inline void mb_take_back(struct mb_socket *socket)
{
	struct mb_tuple own;

	mb_reverse(&socket->peer_key, &own);
	socket->is_alone = !bpf_map_delete_elem(&peer_introductions, &own);
}

#endif
