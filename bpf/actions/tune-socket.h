/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How TCP treats an accelerated socket. */
#ifndef MERBRIDGE_ACTIONS_TUNE_SOCKET_H
#define MERBRIDGE_ACTIONS_TUNE_SOCKET_H

#include <linux/in.h>
#include "lib/bpf.h"
#include "lib/kernel.h"
#include "maps/settings.h"

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

#endif
