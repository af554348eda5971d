/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of pods, their network namespaces, and the processes of their sidecars. */
#ifndef MERBRIDGE_MAPS_PODS_H
#define MERBRIDGE_MAPS_PODS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/address.h"
#include "abi/pod.h"

/* Address of an enrolled pod of this node -> its options. Only user space adds and deletes entries. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_address);
	__type(value, struct mb_pod);
} local_pod_ips SEC(".maps");

/* Process id of a sidecar -> the pod that it serves, learned when it asks for an original destination. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct mb_process);
} process_ip SEC(".maps");

/* The pod of a network namespace, and the cgroup by which it was found. */
struct mb_netns_pod {
	struct mb_address pod;
	__u64 cgroup;
};

/* Network namespace cookie -> its pod. A cache: every use checks in local_pod_ips whether the pod is still enrolled
 * with that cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct mb_netns_pod);
} netns_pods SEC(".maps");

#endif
