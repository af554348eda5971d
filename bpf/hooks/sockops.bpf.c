/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockops: hands the original destination to the accepting side, and puts both ends of an accelerated connection into
 * the sockhash. */
#include "actions/leave.h"
#include "lib/pod.h"
#include "policy/acceleration.h"

/* asm-generic/socket.h; the same on every architecture that the objects serve. */
#define SOL_SOCKET 1
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_CONGESTION 13

/* Bytes that wait in the psock and bytes that wait in the TCP receive queue are charged to one account, and the window
 * is what sk_rcvbuf leaves of it. So it gets room for both: a window stays open while messages wait, and a message that
 * takes the stack is not held up until a probe timer finds out that they were read (reading a psock sends no window
 * update). Both sizes fixed, neither grows under a reader that stalls. A refusal is no harm: then TCP's own limits
 * hold. */
static __always_inline void mb_set_buffers(struct bpf_sock_ops *ctx)
{
	int receive = profile.receive_buffer, send = profile.send_buffer;

	int delayed_ack_us = 10000, retransmit_us = 20000;

	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_BPF_DELACK_MAX, &delayed_ack_us, sizeof(delayed_ack_us));
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_BPF_RTO_MIN, &retransmit_us, sizeof(retransmit_us));
	if (!receive)
		return;
	bpf_setsockopt(ctx, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	bpf_setsockopt(ctx, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
}

/* An accelerated connection sends no segments, so connection tracking, NAT and firewalls between the pods would forget
 * it, and drop its end. One end that asks is enough for them. The setting of an application is left alone. */
static __always_inline void mb_keep_alive(struct bpf_sock_ops *ctx)
{
	int seconds = profile.keep_alive, on = 0;

	if (!seconds || (!bpf_getsockopt(ctx, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) && on))
		return;
	on = 1;
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	bpf_setsockopt(ctx, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* A congestion control that measures and paces (bbr) carries half as much between two sockets of one node, for twice
 * the CPU time, and takes a reader that stalls for a slow network: it went on at that speed for minutes. Reno does
 * neither, and every kernel has it. The choice of an application is left alone. At this moment none has been
 * initialized yet (tcp_init_transfer in net/ipv4/tcp_input.c). */
static __always_inline void mb_set_congestion_control(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	char reno[] = "reno";

	if (tcp && !BPF_CORE_READ_BITFIELD(&tcp->inet_conn, icsk_ca_setsockopt))
		bpf_setsockopt(ctx, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno));
}

/* Called for a connection in scope. The introduction is made last: whoever finds it may redirect at once. */
static __always_inline bool mb_enter(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct mb_quadruple *key,
				     const struct mb_introduction *other, const struct mb_address pods[2], __u32 hop,
				     __u32 generation)
{
	struct mb_introduction self = {};
	struct mb_peer *peer;
	long error = 0;

	peer = bpf_sk_storage_get(&socket_peer, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!peer)
		goto refused;
	__builtin_memset(peer, 0, sizeof(*peer));
	mb_reverse(key, &peer->key);
	peer->sock = other ? other->sock : 0;
	peer->cookie = other ? other->cookie : 0;
	peer->pods[0] = pods[0];
	peer->pods[1] = pods[1];
	peer->hop = hop;
	peer->generation = generation;
	peer->refusal = MB_COUNT_REDIRECTED_MESSAGES;
	peer->dialled = !other;
	peer->is_counted = 1;
	/* Never in the place of another socket, whatever that is: what its peer sends would go to this one. */
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

/* Between network namespaces an address stands for its pod: nothing is done in the name of an address that is not the
 * pod's own, whatever a route, a device or TCP_REPAIR made of it. `local` is the dialling end. */
static __always_inline bool mb_is_own_address(__u64 netns, const struct mb_address *local,
					      const struct mb_address pods[2])
{
	return netns || local->word[3] == pods[0].word[3];
}

/* ctx of a socket that dials -> what a connect hook kept on it, and its key in pair_original_dst; NULL if it was not
 * redirected. */
static __always_inline struct mb_origin *mb_pending_of(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
						       struct mb_pending *pending)
{
	struct mb_origin *origin;
	struct mb_quadruple key;

	if (!sk)
		return NULL;
	origin = bpf_sk_storage_get(&socket_origin, sk, NULL, 0);
	if (!origin || origin->accepted || origin->hop == MB_HOP_DELIVERY || !mb_quadruple_of(ctx, &key))
		return NULL;
	pending->netns = key.netns;
	pending->client = key.local;
	pending->client_port = origin->translated ? 0 : key.local_port;
	pending->sidecar_port = key.remote_port;
	return origin;
}

static __always_inline void mb_write_pending(struct bpf_sock_ops *ctx, struct mb_origin *origin,
					     const struct mb_pending *pending)
{
	bool is_own = mb_is_own_address(pending->netns, &pending->client, origin->pods);
	struct mb_quadruple key;

	if (is_own && !bpf_map_update_elem(&pair_original_dst, pending, &origin->destination, BPF_ANY))
		return;
	mb_count(MB_COUNT_HOOK_ERRORS, 1);
	if (mb_quadruple_of(ctx, &key))
		mb_report_socket(ctx, &key, &origin->pods[0], origin->hop, MB_DROP_NO_ENTRY, 0);
}

/* Call-backs are functions of their own where they have keys on their stack: the frames of all that call each other
 * have 512 bytes together, and kernels before 6.9 count each in steps of 32. */

/* Before the SYN leaves, but with the source port and the sequence number chosen: nobody can accept this connection and
 * not find its original destination. */
static __noinline void mb_on_connect(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_pending pending = {};
	struct mb_origin *origin = mb_pending_of(ctx, sk, &pending);
	struct tcp_sock *tcp = origin ? bpf_skc_to_tcp_sock(sk) : NULL;

	mb_forget_earlier(ctx, sk);
	if (!tcp)
		return;
	/* snd_una is not there yet. */
	pending.client_isn = tcp->write_seq;
	mb_write_pending(ctx, origin, &pending);
	bpf_sock_ops_cb_flags_set(ctx,
				  ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTO_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* A SYN is sent again, or the first data: the other end has not accepted yet, and what was written for it may have been
 * evicted. */
static __noinline void mb_on_retransmission(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_pending pending = {};
	struct mb_origin *origin;

	/* The SYN counts as one. */
	if (ctx->state != BPF_TCP_SYN_SENT && (ctx->state != BPF_TCP_ESTABLISHED || ctx->bytes_acked > 1))
		return;
	origin = mb_pending_of(ctx, sk, &pending);
	if (!origin)
		return;
	pending.client_isn = mb_isn_of_dialler(ctx);
	mb_write_pending(ctx, origin, &pending);
}

/* A dial has failed, or was given up. */
static __noinline void mb_on_failure(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_pending pending = {};

	if (!mb_pending_of(ctx, sk, &pending))
		return;
	pending.client_isn = mb_isn_of_dialler(ctx);
	bpf_map_delete_elem(&pair_original_dst, &pending);
}

static __noinline int mb_on_active(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_origin *origin;
	struct mb_quadruple key;

	if (!settings || settings->acceleration == MB_OFF || !sk)
		return 0;
	origin = bpf_sk_storage_get(&socket_origin, sk, NULL, 0);
	if (!origin || origin->accepted || !mb_in_scope(settings, origin->pods, origin->hop) ||
	    !mb_quadruple_of(ctx, &key))
		return 0;
	if (!mb_is_own_address(key.netns, &key.local, origin->pods))
		return 0;
	mb_add_isns(ctx, true, &key);
	return mb_enter(ctx, sk, &key, NULL, origin->pods, origin->hop, settings->generation);
}

/* Did a connect hook of this node send this here? Then its destination was written down, under the source port that the
 * socket has. Where netfilter has put another source port in the packet, because connection tracking remembers an older
 * connection with that one, it is not found. */
static __always_inline bool mb_came_redirected(const struct mb_quadruple *key, __u8 hop)
{
	if (hop == MB_HOP_OUTBOUND)
		return mb_is_rotating_loopback(&key->local);
	return key->remote.word[3] != key->local.word[3] && mb_enrolled(&key->remote);
}

/* The accepting side keeps what was dialled on its own socket, where it cannot be evicted. */
static __always_inline void mb_take_origin(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct mb_quadruple *key,
					   __u8 hop)
{
	struct mb_pending pending = {
		.netns = key->netns,
		.client = key->remote,
		.client_port = key->remote_port,
		.sidecar_port = key->local_port,
		.client_isn = key->remote_isn,
	};
	struct mb_endpoint *destination = bpf_map_lookup_elem(&pair_original_dst, &pending);
	struct mb_origin *origin;

	if (!destination && hop == MB_HOP_OUTBOUND) {
		pending.client_port = 0;
		destination = bpf_map_lookup_elem(&pair_original_dst, &pending);
	}
	/* Not found is no fault yet: where the node translates the address of a Service, the mesh's own rules have
	 * redirected this one, and connection tracking knows. The sidecar asks, then it shows. */
	if (!destination && !mb_came_redirected(key, hop))
		return;
	origin = bpf_sk_storage_get(&socket_origin, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!origin) {
		mb_count(MB_COUNT_HOOK_ERRORS, 1);
		mb_report_socket(ctx, key, hop == MB_HOP_INBOUND ? &key->local : &key->remote, hop, MB_DROP_NO_MEMORY,
				 0);
		return;
	}
	__builtin_memset(origin, 0, sizeof(*origin));
	origin->pods[0] = hop == MB_HOP_INBOUND ? key->local : key->remote;
	origin->hop = hop;
	origin->accepted = 1;
	if (destination) {
		origin->destination = *destination;
		bpf_map_delete_elem(&pair_original_dst, &pending);
	}
}

static __noinline int mb_on_passive(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_introduction other;
	struct mb_quadruple key;
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
	if (!sk || !mb_quadruple_of(ctx, &key))
		return 0;
	mb_add_isns(ctx, false, &key);
	if (hop != MB_HOP_DELIVERY)
		mb_take_origin(ctx, sk, &key, hop);

	if (!settings || settings->acceleration == MB_OFF || !mb_take_introduction(&key, &other))
		return 0;
	if (mb_is_own_address(key.netns, &key.remote, other.pods) && mb_in_scope(settings, other.pods, other.hop) &&
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
		/* The SYN counts as one: without more the other end may never have accepted. */
		if (ctx->bytes_acked <= 1)
			mb_on_failure(ctx, ctx->sk);
		if (ctx->args[0] != BPF_TCP_SYN_SENT && ctx->args[0] != BPF_TCP_CLOSE)
			mb_on_end(ctx, ctx->sk);
		break;
	}
	return MB_PROCEED;
}
