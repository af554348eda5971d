/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Passes the original destination from the socket that dials to the socket that is accepted, in pair_original_dst. */
#ifndef MERBRIDGE_ACTIONS_PENDING_HANDSHAKES_H
#define MERBRIDGE_ACTIONS_PENDING_HANDSHAKES_H

#include "abi/counters.h"
#include "abi/events.h"
#include "abi/hop.h"
#include "abi/tuple.h"
#include "actions/report-socket.h"
#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/pod.h"
#include "lib/tuple.h"
#include "maps/sockets.h"

/* Between network namespaces an address identifies its pod. So nothing is done for an address that is not the pod's
 * own, even if a route, a device or TCP_REPAIR assigned it. `local` is the dialling end. */
static __always_inline bool mb_is_own_address(__u64 netns, const struct mb_address *local,
					      const struct mb_address pods[2])
{
	return netns || local->word[3] == pods[0].word[3];
}

/* Returns the original destination that a connect hook stored on a dialling socket, and makes its key in
 * pair_original_dst. NULL if the socket was not redirected. */
static __always_inline struct mb_original_destination *
mb_pending_handshake_of(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct mb_pending_handshake *pending)
{
	struct mb_original_destination *original;
	struct mb_tuple key;

	if (!sk)
		return NULL;
	original = bpf_sk_storage_get(&socket_origin, sk, NULL, 0);
	if (!original || original->accepted || original->hop == MB_HOP_DELIVERY || !mb_tuple_of(ctx, &key))
		return NULL;
	pending->netns = key.netns;
	pending->client = key.local;
	pending->client_port = original->translated ? 0 : key.local_port;
	pending->sidecar_port = key.remote_port;
	return original;
}

/* Between pods, connection tracking of the accepting pod may change the port in the packets: if the mesh's own rules
 * redirected an older connection from the same port, the replies of both would be the same. So there is a second entry,
 * without the port. It is used if the first is not found. The first then stays, and the dialling side deletes it when
 * the connection ends. */
static __always_inline bool mb_may_be_translated(const struct mb_pending_handshake *pending, __u8 hop)
{
	return hop == MB_HOP_INBOUND && !pending->netns;
}

static __always_inline void mb_write_pending_handshake(struct bpf_sock_ops *ctx,
						       struct mb_original_destination *original,
						       struct mb_pending_handshake *pending)
{
	bool is_own = mb_is_own_address(pending->netns, &pending->client, original->pods);
	struct mb_tuple key;

	if (is_own && !bpf_map_update_elem(&pair_original_dst, pending, &original->destination, BPF_ANY)) {
		if (!mb_may_be_translated(pending, original->hop))
			return;
		pending->client_port = 0;
		bpf_map_update_elem(&pair_original_dst, pending, &original->destination, BPF_NOEXIST);
		return;
	}
	mb_count(MB_COUNT_HOOK_ERRORS, 1);
	if (mb_tuple_of(ctx, &key))
		mb_report_socket(ctx, &key, &original->pods[0], original->hop, MB_DROP_NO_ENTRY, 0);
}

static __always_inline void mb_delete_pending_handshake(struct mb_pending_handshake *pending, __u8 hop)
{
	bpf_map_delete_elem(&pair_original_dst, pending);
	if (!mb_may_be_translated(pending, hop))
		return;
	pending->client_port = 0;
	bpf_map_delete_elem(&pair_original_dst, pending);
}

/* Did a connect hook of this node redirect this connection? Then its destination was stored under the address of the
 * socket. It is not found if netfilter changed that in the packet. */
static __always_inline bool mb_came_redirected(const struct mb_tuple *key, __u8 hop)
{
	if (hop == MB_HOP_OUTBOUND)
		return mb_is_rotating_loopback(&key->local);
	return key->remote.word[3] != key->local.word[3] && mb_enrolled(&key->remote);
}

/* Stores the original destination on the accepting socket, where it cannot be evicted. */
static __always_inline void mb_take_original_destination(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
							 struct mb_tuple *key, __u8 hop)
{
	struct mb_pending_handshake pending = {
		.netns = key->netns,
		.client = key->remote,
		.client_port = key->remote_port,
		.sidecar_port = key->local_port,
		.client_isn = key->remote_isn,
	};
	struct mb_endpoint *destination = bpf_map_lookup_elem(&pair_original_dst, &pending);
	struct mb_original_destination *original;

	if (!destination && (hop == MB_HOP_OUTBOUND || mb_may_be_translated(&pending, hop))) {
		pending.client_port = 0;
		destination = bpf_map_lookup_elem(&pair_original_dst, &pending);
	}
	/* It is not an error yet if none is found: if the node translates the address of a Service, the mesh's own
	 * rules have redirected this connection, and connection tracking knows its destination. That shows when the
	 * sidecar asks for it. */
	if (!destination && !mb_came_redirected(key, hop))
		return;
	original = bpf_sk_storage_get(&socket_origin, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!original) {
		mb_count(MB_COUNT_HOOK_ERRORS, 1);
		mb_report_socket(ctx, key, hop == MB_HOP_INBOUND ? &key->local : &key->remote, hop, MB_DROP_NO_MEMORY,
				 0);
		return;
	}
	__builtin_memset(original, 0, sizeof(*original));
	original->pods[0] = hop == MB_HOP_INBOUND ? key->local : key->remote;
	original->hop = hop;
	original->accepted = 1;
	if (destination) {
		original->destination = *destination;
		mb_delete_pending_handshake(&pending, hop);
	}
}

#endif
