/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockops: passes the original destination to the accepting side, and adds both ends of an accelerated connection to
 * the sockhash. */
#include "abi/acceleration.h"
#include "abi/hop.h"
#include "actions/count-sockets.h"
#include "actions/enter.h"
#include "actions/leave.h"
#include "actions/pending-handshakes.h"
#include "actions/pending-peers.h"
#include "lib/bpf.h"
#include "lib/kernel.h"
#include "lib/tuple.h"
#include "maps/settings.h"
#include "maps/sockets.h"
#include "policy/acceleration.h"

/* Callbacks that have keys on their stack are separate functions: the stack frames of a call chain have 512 bytes
 * together, and kernels before 6.9 round each frame up to a multiple of 32. */

/* Called before the SYN is sent, when the source port and the sequence number are chosen. So the accepting side always
 * finds the original destination. */
static __noinline void mb_on_connect(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_pending_handshake pending = {};
	struct mb_original_destination *original = mb_pending_handshake_of(ctx, sk, &pending);
	struct tcp_sock *tcp = original ? bpf_skc_to_tcp_sock(sk) : NULL;

	mb_forget_earlier(ctx, sk);
	if (!tcp)
		return;
	/* snd_una is not set yet. */
	pending.client_isn = tcp->write_seq;
	mb_write_pending_handshake(ctx, original, &pending);
	bpf_sock_ops_cb_flags_set(ctx,
				  ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTO_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The SYN or the first data is retransmitted: the other end has not accepted yet, and the entry for it may have been
 * evicted. */
static __noinline void mb_on_retransmission(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_pending_handshake pending = {};
	struct mb_original_destination *original;

	/* The SYN counts as one. */
	if (ctx->state != BPF_TCP_SYN_SENT && (ctx->state != BPF_TCP_ESTABLISHED || ctx->bytes_acked > 1))
		return;
	original = mb_pending_handshake_of(ctx, sk, &pending);
	if (!original)
		return;
	pending.client_isn = mb_isn_of_dialler(ctx);
	mb_write_pending_handshake(ctx, original, &pending);
}

/* A connection has ended, or could not be made. The other end may have left an entry: if it never accepted, or if
 * connection tracking may have changed the port. */
static __noinline void mb_on_dialler_end(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	/* The SYN counts as one. */
	bool accepted = ctx->bytes_acked > 1;
	struct mb_pending_handshake pending = {};
	struct mb_original_destination *original;

	/* Spares most connections the search. */
	if (accepted && bpf_ntohl(ctx->remote_port) != profile.inbound_port)
		return;
	original = mb_pending_handshake_of(ctx, sk, &pending);
	if (!original || (accepted && !mb_may_be_translated(&pending, original->hop)))
		return;
	pending.client_isn = mb_isn_of_dialler(ctx);
	mb_delete_pending_handshake(&pending, original->hop);
}

static __noinline int mb_on_active(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_original_destination *original;
	struct mb_tuple key;

	if (!settings || settings->acceleration == MB_OFF || !sk)
		return 0;
	original = bpf_sk_storage_get(&socket_origin, sk, NULL, 0);
	if (!original || original->accepted || !mb_may_accelerate(settings, original->pods, original->hop) ||
	    !mb_tuple_of(ctx, &key))
		return 0;
	if (!mb_is_own_address(key.netns, &key.local, original->pods))
		return 0;
	mb_add_isns(ctx, true, &key);
	return mb_enter(ctx, sk, &key, NULL, original->pods, original->hop, settings->generation);
}

static __noinline int mb_on_passive(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_pending_peer other;
	struct mb_tuple key;
	__u32 port = ctx->local_port;
	__u8 hop;

	if (port == profile.inbound_port)
		hop = MB_HOP_INBOUND;
	else if (port == profile.outbound_port)
		hop = MB_HOP_OUTBOUND;
	else if (ctx->remote_ip4 == profile.passthrough)
		hop = MB_HOP_DELIVERY;
	else
		return 0;
	if (!sk || !mb_tuple_of(ctx, &key))
		return 0;
	mb_add_isns(ctx, false, &key);
	if (hop != MB_HOP_DELIVERY)
		mb_take_original_destination(ctx, sk, &key, hop);

	if (!settings || settings->acceleration == MB_OFF || !mb_take_pending_peer(&key, &other))
		return 0;
	if (mb_is_own_address(key.netns, &key.remote, other.pods) &&
	    mb_may_accelerate(settings, other.pods, other.hop) &&
	    mb_enter(ctx, sk, &key, &other, other.pods, other.hop, settings->generation))
		return 1;
	/* So that the dialling side does not wait for it. */
	__builtin_memset(&other, 0, sizeof(other));
	bpf_map_update_elem(&peer_introductions, &key, &other, BPF_NOEXIST);
	return 0;
}

SEC("sockops")
int mb_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		mb_on_connect(ctx, ctx->sk);
		break;
	case BPF_SOCK_OPS_RTO_CB:
		mb_on_retransmission(ctx, ctx->sk);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (mb_on_active(ctx, ctx->sk))
			mb_socket_entered();
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (mb_on_passive(ctx, ctx->sk))
			mb_socket_entered();
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		mb_on_option_length(ctx, ctx->sk);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		mb_on_option_write(ctx);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		mb_on_option_read(ctx, ctx->sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_FIN_WAIT1 || ctx->args[1] == BPF_TCP_FIN_WAIT2 ||
		    ctx->args[1] == BPF_TCP_LAST_ACK)
			mb_on_last(ctx, ctx->sk);
		if (ctx->args[1] != BPF_TCP_CLOSE)
			break;
		mb_on_dialler_end(ctx, ctx->sk);
		if (ctx->args[0] != BPF_TCP_SYN_SENT && ctx->args[0] != BPF_TCP_CLOSE)
			mb_on_end(ctx, ctx->sk);
		break;
	}
	return MB_PROCEED;
}
