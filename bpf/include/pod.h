/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which pod is this? Answered before the first connection of a network namespace, so none has to be sacrificed to learn it. */
#ifndef MERBRIDGE_POD_H
#define MERBRIDGE_POD_H

#include "address.h"

/* A pod has a loopback device, one or two of its CNI, and what tunnel modules put into every namespace (tunl0, gre0, sit0 ...). */
#define MB_MAX_DEVICES 32
#define MB_MAX_ADDRESSES 4

static __always_inline struct mb_pod *mb_enrolled(const struct mb_address *address)
{
	return bpf_map_lookup_elem(&local_pod_ips, address);
}

/* Walks the devices of the socket's network namespace (lists that are read under RCU, as this program runs) for an address that is
 * enrolled. The reads cannot fault: bpf_probe_read_kernel answers a bad address with an error. */
static __always_inline __be32 mb_find_enrolled_address(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct list_head *head, *at = NULL;
	struct net *net;

	if (!tcp)
		return 0;
	net = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	head = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	bpf_probe_read_kernel(&at, sizeof(at), &net->dev_base_head.next);
	for (int i = 0; i < MB_MAX_DEVICES; i++) {
		struct net_device *device;
		struct in_device *in_device;
		struct in_ifaddr *ifa = NULL;

		if (!at || at == head)
			break;
		device = (void *)at - bpf_core_field_offset(struct net_device, dev_list);
		in_device = BPF_CORE_READ(device, ip_ptr);
		if (in_device)
			ifa = BPF_CORE_READ(in_device, ifa_list);
		for (int j = 0; j < MB_MAX_ADDRESSES && ifa; j++) {
			struct mb_address address = mb_from_ip4(BPF_CORE_READ(ifa, ifa_local));

			if (mb_enrolled(&address))
				return address.word[3];
			ifa = BPF_CORE_READ(ifa, ifa_next);
		}
		at = BPF_CORE_READ(at, next);
	}
	return 0;
}

/* The enrolled IPv4 address of the pod that is connecting, 0 if there is none. First the cache by namespace, then what the process
 * was seen to serve, last the namespace's own devices. */
static __always_inline __be32 mb_own_pod(struct bpf_sock_addr *ctx, __u64 netns)
{
	struct mb_address *known = bpf_map_lookup_elem(&netns_pods, &netns);
	struct mb_address found;
	struct mb_process *process;
	__u32 tgid;

	if (known && mb_enrolled(known))
		return known->word[3];
	tgid = bpf_get_current_pid_tgid() >> 32;
	process = bpf_map_lookup_elem(&process_ip, &tgid);
	if (process && process->netns == netns && mb_enrolled(&process->pod)) {
		found = process->pod;
	} else {
		__be32 ip = mb_find_enrolled_address(ctx->sk);

		if (!ip)
			return 0;
		found = mb_from_ip4(ip);
	}
	bpf_map_update_elem(&netns_pods, &netns, &found, BPF_ANY);
	return found.word[3];
}

#endif
