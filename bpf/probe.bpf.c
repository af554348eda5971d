/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Asks the running kernel whether redirected bytes are charged to the receiver, and counted by its FIONREAD: moves
 * every message to the socket under key 1. And tells where the sender is, whose state then shows whether the process
 * that owns it is alive. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} probe_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probe_sender SEC(".maps");

SEC("sk_msg")
int mb_probe(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	__u32 receiver = 1, zero = 0;
	__u64 *sender = bpf_map_lookup_elem(&probe_sender, &zero);

	if (sender && sk)
		*sender = (__u64)bpf_skc_to_tcp_sock(sk);

	bpf_msg_redirect_hash(msg, &probe_sockets, &receiver, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
