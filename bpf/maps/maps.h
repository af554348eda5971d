/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, with who writes it, who reads it and when an entry leaves. Sizes are defaults: user space sets them before
 * load. */
#ifndef MERBRIDGE_MAPS_H
#define MERBRIDGE_MAPS_H

#include "maps/socket-storage.h"

/* One end of a handshake, told to the other end. */
struct mb_introduction {
	__u64 sock;
	__u64 cookie;
	struct mb_address pods[2];
	__u32 hop;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mb_origin);
} socket_origin SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mb_peer);
} socket_peer SEC(".maps");

/* Address of a pod of this node that carries a sidecar -> how it is treated. Written by user space only; entries leave
 * by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_address);
	__type(value, struct mb_pod);
} local_pod_ips SEC(".maps");

/* Rule set -> what holds for all of it. Written by user space, before a pod names the set; taken out when none does,
 * and no program that has read its number can still be running. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct mb_rules);
} pod_rules SEC(".maps");

/* The ports that the lists of a rule set name. Written and taken out with it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct mb_rule_port);
	__type(value, __u8);
} pod_rule_ports SEC(".maps");

/* The address ranges that they name. Written and taken out with it. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct mb_rule_range);
	__type(value, __u8);
} pod_rule_ranges SEC(".maps");

/* Read by no program: whoever writes an array of maps waits until each program that was running has ended
 * (maybe_wait_bpf_programs in kernel/bpf/syscall.c). So user space can take out what a program may have been reading.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__type(key, __u32);
			__type(value, __u64);
		});
} grace_period SEC(".maps");

/* Who dials -> what was really dialled. Written before the SYN leaves, and again before it is sent again, since it may
 * have been evicted; taken out by the accepting side, which keeps it on its socket instead, or when the dial has
 * failed. So it holds pending connections only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_pending);
	__type(value, struct mb_endpoint);
} pair_original_dst SEC(".maps");

/* Quadruple -> the local socket that has it. Entries leave when their socket is closed, never by a program: what is
 * queued on a socket is lost with its key. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct mb_quadruple);
	__type(value, __u64);
} sock_pair_map SEC(".maps");

/* Quadruple -> where to read the state of the socket that has it. Each end takes out what the other end left for it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_quadruple);
	__type(value, struct mb_introduction);
} peer_introductions SEC(".maps");

/* Process id of a sidecar -> the pod that it serves, learned when it asks for an original destination. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct mb_process);
} process_ip SEC(".maps");

/* The pod whose network namespace it is, and the cgroup by which that was found. */
struct mb_netns_pod {
	struct mb_address pod;
	__u64 cgroup;
};

/* Network namespace cookie -> its pod. A cache: every use asks local_pod_ips whether the pod is still enrolled, with
 * that cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct mb_netns_pod);
} netns_pods SEC(".maps");

/* Written by user space: scope and switch. Read at every decision, also by sockets that outlive the attachment. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mb_settings);
} mesh_settings SEC(".maps");

/* When the last segment was held back (bpf_ktime_get_ns, CLOCK_MONOTONIC). Written by ingress, read by user space
 * before it detaches it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_held SEC(".maps");

/* How many events of a kind were sent in the current second. Written by whoever sends one. */
struct mb_event_rate {
	struct bpf_spin_lock lock;
	__u32 second;
	__u32 sent;
	__u32 missed;      /* since the last one that was sent */
	__u32 pods;        /* that had such events in this second */
	__u32 pods_before; /* and in the one before */
};

/* How many events of a kind one pod had in the current second. */
struct mb_pod_events_key {
	struct mb_address pod;
	__u32 kind;
};

struct mb_pod_events {
	__u32 second;
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct mb_pod_events_key);
	__type(value, struct mb_pod_events);
} pod_events SEC(".maps");

/* Written by sockops; read by user space, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mb_socket_count);
} socket_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, __MB_EVENT_KINDS);
	__type(key, __u32);
	__type(value, struct mb_event_rate);
} event_rates SEC(".maps");

/* Records of struct mb_event, for one reader in user space. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 128 * 1024);
} mesh_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, __MB_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} mesh_counters SEC(".maps");

#endif
