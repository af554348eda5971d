/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP settings of an accelerated socket. */
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

/* Bytes that wait in the psock and in the TCP receive queue are charged to the same counter, and the TCP window is the
 * rest of sk_rcvbuf. So the buffer gets room for both. Then the window stays open while messages wait in the psock.
 * Otherwise a message that takes the TCP stack would have to wait until a probe timer finds that they were read,
 * because reading a psock sends no window update. With both sizes fixed, neither buffer grows while a reader stalls. If
 * the kernel refuses, TCP's own limits apply, which is harmless. */
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
 * it and drop its FIN. Keepalive probes of one end are enough to prevent that. A setting of the application is kept. */
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

/* A congestion control that measures and paces (bbr) has half the throughput between two sockets of one node, at twice
 * the CPU time. It also mistakes a stalled reader for a slow network, and was seen to continue at that speed for
 * minutes. Reno does neither, and every kernel has it. The choice of the application is kept. At this moment no
 * congestion control has been initialized yet (tcp_init_transfer in net/ipv4/tcp_input.c). */
static __always_inline void mb_set_congestion_control(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	char reno[] = "reno";

	if (tcp && !BPF_CORE_READ_BITFIELD(&tcp->inet_conn, icsk_ca_setsockopt))
		bpf_setsockopt(ctx, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno));
}

#endif
