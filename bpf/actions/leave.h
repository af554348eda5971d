/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a connection leaves sock_pair_map. A connection is in the map or it is plain TCP, and it changes only once.
 *
 * If bytes of one direction waited in two places, the psock and the TCP receive queue, they would be read out of order,
 * cause short reads, wake readers without data, and not be counted by FIONREAD. So no byte waits in the TCP receive
 * queue of a socket that is in the map, except first bytes (policy/message.h):
 *
 * 1. A sender that has to use the TCP stack does so permanently (hooks/sk_msg.bpf.c). From then on its segments carry a
 * TCP option.
 * 2. Such a segment is dropped while redirected data is unread (hooks/ingress.bpf.c). TCP retransmits it.
 * 3. The option keeps the receiver off the fast path, so that BPF_SOCK_OPS_PARSE_HDR_OPT_CB runs for its locked socket
 * before the segment is queued. If no redirected data is unread or in flight, the receiver deletes its own key there.
 * Data that is queued after that is queued on a plain TCP socket, and wakes its reader.
 * 4. The receiver marks its own segments in turn. The sender also leaves when the first of them arrives.
 *
 * The check for data in flight is complete: the option is written under the sender's lock, after its last verdict, and
 * each verdict holds a reference to the receiver until its message is queued (lib/psock.h). So a receiver that sees the
 * option also sees all these references, even if several threads send. */
#ifndef MERBRIDGE_ACTIONS_LEAVE_H
#define MERBRIDGE_ACTIONS_LEAVE_H

#include "abi/counters.h"
#include "abi/hop.h"
#include "actions/count-sockets.h"
#include "actions/pending-peers.h"
#include "lib/barrier.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/peer.h"
#include "lib/psock.h"
#include "lib/tuple.h"
#include "maps/sockets.h"
#include "policy/message-verdict.h"

/* RFC 6994: kind 254, with our own identifier. It never leaves the node, because both ends are sockets of its pods. */
#define MB_OPTION_KIND 254
#define MB_OPTION_SIZE 4
#define MB_OPTION_ID 0x4d42

struct mb_option {
	__u8 kind;
	__u8 size;
	__be16 id;
};

static __always_inline struct mb_option mb_leave_option(void)
{
	struct mb_option option = { .kind = MB_OPTION_KIND, .size = MB_OPTION_SIZE, .id = bpf_htons(MB_OPTION_ID) };

	return option;
}

static __always_inline bool mb_is_leave_option(const struct mb_option *option)
{
	return option->kind == MB_OPTION_KIND && option->size == MB_OPTION_SIZE &&
	       option->id == bpf_htons(MB_OPTION_ID);
}

/* Is the other end still in the map? True if it is not known, because it may have entered. */
static __always_inline bool mb_peer_is_in(const struct mb_socket *socket)
{
	return !socket->peer_sock || (mb_peer_has_in_flag(false, socket) && mb_peer_is_still_there(false, socket));
}

/* Call this when the socket is locked, and no redirected data is unread or in flight. */
static __noinline void mb_leave(struct bpf_sock_ops *ctx, struct mb_socket *socket)
{
	struct mb_tuple own;

	/* Cleared first, so that no program finds the flag without the key. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~MB_IN_FLAG);
	if (socket->leaving == MB_IN)
		socket->reason = MB_PASS_PEER_LEFT;
	socket->leaving = MB_OUT;
	mb_reverse(&socket->peer_key, &own);
	bpf_map_delete_elem(&sock_pair_map, &own);
	mb_uncount(socket);
	mb_count(MB_COUNT_SOCKETS_LEFT, 1);
}

/* References to a locked socket that the context of this program holds: that of the segment or the timer for which it
 * runs, unless it runs in a system call. */
static __always_inline int mb_own_references(struct tcp_sock *self)
{
	return mb_is_owned(self) ? 0 : 1;
}

/* How often to check whether a system call on the other end has ended: about 20 microseconds. Most calls take less. */
#define MB_LOOKS 400

/* Does the system call on the other end (struct tcp_sock) end soon? A global function, so that the verifier does not go
 * on with the program from each of the looks. */
__noinline int mb_becomes_quiet(__u64 other)
{
	for (int i = 0; i < MB_LOOKS; i++)
		if (!mb_is_owned((struct tcp_sock *)other))
			return 1;
	return 0;
}

/* Is this an application's end, and not a sidecar's? */
static __always_inline bool mb_is_application(const struct mb_socket *socket)
{
	return socket->dialled ? socket->hop == MB_HOP_OUTBOUND || socket->hop == MB_HOP_DIRECT
			       : socket->hop == MB_HOP_DELIVERY;
}

/* A socket of an application that half-closes leaves without waiting for the other end. If it stayed in the map, a
 * recv(2) that waits for the answer would be woken by the acknowledgement of its FIN, and return EAGAIN
 * (tcp_msg_wait_data in net/ipv4/tcp_bpf.c). It cannot leave while redirected bytes are unread, because they would be
 * lost. The acknowledgement is then held back instead (hooks/ingress.bpf.c). Sidecars do not block.
 *
 * First the socket is marked as out, so that no new verdict redirects to it (hooks/sk_msg.bpf.c). A system call that
 * holds the other end's lock makes the verdict and takes the reference to this socket. If no system call holds that
 * lock now, each verdict that began before shows as a reference. */
static __noinline void mb_leave_alone(struct bpf_sock_ops *ctx, struct mb_socket *socket, struct tcp_sock *self)
{
	bool is_quiet;

	/* A socket that has dialled and sent nothing yet. */
	if (!socket->peer_sock && !mb_take_answer(socket))
		mb_take_back(socket);
	if (socket->is_alone)
		mb_leave(ctx, socket);
	if (socket->is_alone || !socket->peer_sock)
		return;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~MB_IN_FLAG);
	mb_barrier(&socket->order);
	is_quiet = !mb_peer_is_in(socket) || mb_becomes_quiet(socket->peer_sock);
	mb_barrier(&socket->order);
	if (is_quiet && !mb_may_be_in_flight(self, mb_own_references(self)) && mb_psock_is_empty(self))
		mb_leave(ctx, socket);
	else
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | MB_IN_FLAG);
}

/* BPF_SOCK_OPS_HDR_OPT_LEN_CB, called for each segment, and by tcp_current_mss without one. Reserves room for the
 * option while the other end has to be notified. */
static __always_inline void mb_on_option_length(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket && socket->leaving != MB_IN ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!self)
		return;
	if (socket->leaving != MB_OUT && mb_psock_is_empty(self)) {
		/* A socket of an application leaves before its sender waits for an answer in recv(2). There it would be
		 * woken by the buffer space that the first acknowledgement frees. */
		if (socket->is_alone)
			mb_leave(ctx, socket);
		else if (socket->peer_sock && mb_is_application(socket) && mb_psock_of(self) && mb_is_owned(self))
			mb_leave_alone(ctx, socket, self);
	}
	if (!socket->is_alone && mb_peer_is_in(socket))
		bpf_reserve_hdr_opt(ctx, MB_OPTION_SIZE, 0);
	else if (socket->leaving == MB_OUT)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

static __always_inline void mb_on_option_write(struct bpf_sock_ops *ctx)
{
	struct mb_option option = mb_leave_option();

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

/* BPF_SOCK_OPS_PARSE_HDR_OPT_CB, called for each segment with an option that TCP does not know. */
static __always_inline void mb_on_option_read(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_option option = mb_leave_option();
	struct mb_socket *socket;
	struct tcp_sock *self;

	if (!sk || bpf_load_hdr_opt(ctx, &option, sizeof(option), 0) != MB_OPTION_SIZE)
		return;
	socket = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	self = bpf_skc_to_tcp_sock(sk);
	if (socket && self && socket->leaving != MB_OUT && mb_psock_is_empty(self) &&
	    !mb_may_be_in_flight(self, mb_own_references(self)))
		mb_leave(ctx, socket);
}

/* A socket sends nothing more. It is closed, and the kernel has deleted it from the map already, or it half-closes. */
static __noinline void mb_on_last(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!self || socket->leaving == MB_OUT)
		return;
	if (mb_is_application(socket) && mb_psock_of(self)) {
		if (mb_psock_is_empty(self))
			mb_leave_alone(ctx, socket, self);
	} else if (socket->leaving == MB_IN) {
		/* It has nothing to notify any more. Most connections end like this. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	}
}

/* A socket is disconnected (connect(2) with AF_UNSPEC). TCP discards unread data, but the psock survives that
 * (tcp_disconnect in net/ipv4/tcp.c). Nothing else ends an open connection without an error, because close(2) has
 * removed the psock before. */
static __always_inline bool mb_is_disconnected(struct bpf_sock_ops *ctx, struct tcp_sock *self)
{
	__u32 before = ctx->args[0];

	return (before == BPF_TCP_ESTABLISHED || before == BPF_TCP_FIN_WAIT1 || before == BPF_TCP_CLOSE_WAIT) &&
	       mb_psock_of(self) && !self->inet_conn.icsk_inet.sk.sk_err;
}

/* The connection of a socket has ended. */
static __always_inline void mb_on_end(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket ? bpf_skc_to_tcp_sock(sk) : NULL;

	/* Other programs may have enabled this callback for their own sockets. */
	if (!self)
		return;
	if (socket->leaving != MB_OUT && mb_is_disconnected(ctx, self))
		mb_leave(ctx, socket);
	mb_uncount(socket);
}

/* A socket dials, perhaps not for the first time. Delete the state of an earlier connection. */
static __always_inline void mb_forget_earlier(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;

	if (!socket)
		return;
	if (socket->leaving != MB_OUT)
		mb_leave(ctx, socket);
	bpf_sk_storage_delete(&socket_peer, sk);
}

#endif
