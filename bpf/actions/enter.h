/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Adds a socket to sock_pair_map. */
#ifndef MERBRIDGE_ACTIONS_ENTER_H
#define MERBRIDGE_ACTIONS_ENTER_H

#include "abi/counters.h"
#include "abi/hop.h"
#include "actions/report-socket.h"
#include "actions/tune-socket.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/kernel.h"
#include "lib/tuple.h"
#include "maps/sockets.h"
#include "policy/message-verdict.h"

/* Called for a connection that may be accelerated. The pending peer for the other end is written last, because the
 * other end may redirect as soon as it finds it. */
static __always_inline bool mb_enter(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct mb_tuple *key,
				     const struct mb_pending_peer *other, const struct mb_address pods[2], __u32 hop,
				     __u32 generation)
{
	struct mb_pending_peer self = {};
	struct mb_socket *socket;
	long error = 0;

	socket = bpf_sk_storage_get(&socket_peer, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		goto refused;
	__builtin_memset(socket, 0, sizeof(*socket));
	mb_reverse(key, &socket->peer_key);
	socket->peer_sock = other ? other->sock : 0;
	socket->peer_cookie = other ? other->cookie : 0;
	socket->pods[0] = pods[0];
	socket->pods[1] = pods[1];
	socket->hop = hop;
	socket->generation = generation;
	socket->acceleration = MB_REDIRECT;
	socket->dialled = !other;
	socket->is_counted = 1;
	/* Never replace another socket: data that its peer sends would go to this one. */
	error = bpf_sock_hash_update(ctx, &sock_pair_map, key, BPF_NOEXIST);
	if (error) {
		bpf_sk_storage_delete(&socket_peer, sk);
		goto refused;
	}
	mb_set_buffers(ctx);
	mb_set_congestion_control(ctx, sk);
	if (!other && (hop == MB_HOP_INBOUND || hop == MB_HOP_DIRECT))
		mb_keep_alive(ctx);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | MB_IN_FLAG | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG |
					       BPF_SOCK_OPS_STATE_CB_FLAG);
	self.sock = (__u64)bpf_skc_to_tcp_sock(sk);
	self.cookie = bpf_get_socket_cookie(ctx);
	self.pods[0] = pods[0];
	self.pods[1] = pods[1];
	self.hop = hop;
	bpf_map_update_elem(&peer_introductions, key, &self, BPF_NOEXIST);
	mb_count(MB_COUNT_SOCKETS, 1);
	return true;
refused:
	mb_count(MB_COUNT_SOCKET_ERRORS, 1);
	mb_report_socket(ctx, key, &pods[0], hop, mb_refused_for(error), -error);
	return false;
}

#endif
