/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which pod is this? It is found before the first connection of a network namespace, so that no connection is lost to
 * learn it. */
#ifndef MERBRIDGE_LIB_POD_H
#define MERBRIDGE_LIB_POD_H

#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/kernel.h"
#include "maps/pods.h"

/* A pod has a loopback device, one or two devices of its CNI, and those that tunnel modules create in every namespace
 * (tunl0, gre0, sit0 ...). */
#define MB_MAX_DEVICES 32
#define MB_MAX_ADDRESSES 4
/* Depth of a cgroup: a pod in a container in a container is at about 12. */
#define MB_MAX_CGROUP_LEVELS 32

static __always_inline struct mb_pod *mb_enrolled(const struct mb_address *address)
{
	return bpf_map_lookup_elem(&local_pod_ips, address);
}

/* Is the calling process in this cgroup, or below it? A global function: the verifier checks it once, not for
 * each address of each device. */
__noinline int mb_is_in_cgroup(__u64 cgroup)
{
	for (int level = 0; level < MB_MAX_CGROUP_LEVELS; level++) {
		__u64 ancestor = bpf_get_current_ancestor_cgroup_id(level);

		if (ancestor == cgroup)
			return 1;
		if (!ancestor)
			break;
	}
	return 0;
}

/* A process with the right to change a network namespace can assign any address in it: a container inside a pod, or a
 * process in its own user namespace. It cannot choose its cgroup. So a pod whose cgroup is known consists of the
 * processes in that cgroup. */
static __always_inline bool mb_may_be(const struct mb_pod *pod)
{
	return !pod->cgroup || mb_is_in_cgroup(pod->cgroup);
}

/* The first address of a device (struct net_device) that is one of a pod to which the calling process belongs, or 0. A
 * global function as well: the verifier would check it for each of the devices, which took most of the time of a start.
 * Therefore the address of the device is a number here. */
__noinline __be32 mb_pod_of_device(__u64 device)
{
	struct in_device *in_device = BPF_CORE_READ((struct net_device *)device, ip_ptr);
	struct in_ifaddr *ifa = in_device ? BPF_CORE_READ(in_device, ifa_list) : NULL;

	for (int i = 0; i < MB_MAX_ADDRESSES && ifa; i++) {
		struct mb_address address = mb_from_ip4(BPF_CORE_READ(ifa, ifa_local));
		struct mb_pod *pod = mb_enrolled(&address);

		if (pod && mb_may_be(pod))
			return address.word[3];
		ifa = BPF_CORE_READ(ifa, ifa_next);
	}
	return 0;
}

/* Walks the devices of a network namespace (lists that are read under RCU, as this program runs) for an address of a
 * pod that the calling process belongs to. The reads cannot fault: bpf_probe_read_kernel returns an error for a bad
 * address. */
static __always_inline bool mb_find_by_devices(struct net *net, struct mb_netns_pod *found)
{
	struct list_head *head = (void *)net + bpf_core_field_offset(struct net, dev_base_head), *at = NULL;

	bpf_probe_read_kernel(&at, sizeof(at), &net->dev_base_head.next);
	for (int i = 0; i < MB_MAX_DEVICES; i++) {
		__be32 address;

		if (!at || at == head)
			break;
		address = mb_pod_of_device((__u64)at - bpf_core_field_offset(struct net_device, dev_list));
		if (address) {
			struct mb_pod *pod;

			found->pod = mb_from_ip4(address);
			/* Another pod may have got the address in the meantime. */
			pod = mb_enrolled(&found->pod);
			if (!pod || !mb_may_be(pod))
				return false;
			found->cgroup = pod->cgroup;
			return true;
		}
		at = BPF_CORE_READ(at, next);
	}
	return false;
}

static __always_inline struct net *mb_net_of(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp ? tcp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net : NULL;
}

static __always_inline bool mb_find_by_process(__u64 netns, struct mb_netns_pod *found)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mb_process *process = bpf_map_lookup_elem(&process_ip, &tgid);
	struct mb_pod *pod;

	if (!process || process->netns != netns)
		return false;
	found->pod = process->pod;
	pod = mb_enrolled(&found->pod);
	if (!pod || !mb_may_be(pod))
		return false;
	found->cgroup = pod->cgroup;
	return true;
}

/* The enrolled IPv4 address of the pod of this network namespace, as it was found before; 0 if it is not known. */
static __always_inline __be32 mb_known_pod(__u64 netns)
{
	struct mb_netns_pod *known = bpf_map_lookup_elem(&netns_pods, &netns);
	struct mb_pod *pod = known ? mb_enrolled(&known->pod) : NULL;

	return pod && pod->cgroup == known->cgroup ? known->pod.word[3] : 0;
}

/* The same, found by the pod that the calling process serves, or by the devices of the namespace. */
static __always_inline __be32 mb_find_pod(struct net *net, __u64 netns)
{
	struct mb_netns_pod found = {};

	/* A network namespace that belongs to another user namespace than the initial one is not that of a pod: the
	 * node creates those of pods. */
	if (!net || BPF_CORE_READ(net, user_ns, level))
		return 0;
	if (!mb_find_by_process(netns, &found) && !mb_find_by_devices(net, &found))
		return 0;
	bpf_map_update_elem(&netns_pods, &netns, &found, BPF_ANY);
	return found.pod.word[3];
}

/* The pod that is connecting. */
static __always_inline __be32 mb_own_pod(struct net *net, __u64 netns)
{
	__be32 known = mb_known_pod(netns);

	return known ? known : mb_find_pod(net, netns);
}

/* The pod of a process that calls getsockopt(2), if the process is in the network namespace of the socket. */
static __always_inline __be32 mb_asking_pod(__u64 netns)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__be32 known = mb_known_pod(netns);
	struct net *net;

	if (known)
		return known;
	net = BPF_CORE_READ(task, nsproxy, net_ns);
	return net && BPF_CORE_READ(net, net_cookie) == netns ? mb_find_pod(net, netns) : 0;
}

#endif
