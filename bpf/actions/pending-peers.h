/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the two ends of a connection find each other. The dialling end enters sock_pair_map first, and adds itself to
 * peer_introductions as a pending peer. The accepting end enters only if it finds it there. From then on it knows its
 * peer, and becomes a pending peer of the dialling end in turn. */
#ifndef MERBRIDGE_ACTIONS_PENDING_PEERS_H
#define MERBRIDGE_ACTIONS_PENDING_PEERS_H

#include "lib/bpf.h"
#include "lib/tuple.h"
#include "maps/sockets.h"

/* Finds the dialling end, if it is on this node and accelerated. It may be deleting itself from the map at this moment.
 * Then it continues without this end (mb_take_back), which never enters. */
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

/* Takes the entry that the accepting end wrote. It is all zero if that end will never enter. */
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

/* The dialling end continues alone, if it may: the end that deletes the entry from the map decides. */
static __always_inline void mb_take_back(struct mb_socket *socket)
{
	struct mb_tuple own;

	mb_reverse(&socket->peer_key, &own);
	socket->is_alone = !bpf_map_delete_elem(&peer_introductions, &own);
}

#endif
