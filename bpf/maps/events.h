/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring buffer of events, and their rate limits. */
#ifndef MERBRIDGE_MAPS_EVENTS_H
#define MERBRIDGE_MAPS_EVENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/address.h"
#include "abi/events.h"

/* Records of struct mb_event, for one reader in user space. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 128 * 1024);
} mesh_events SEC(".maps");

/* Events of a kind in the current second. Written by the programs that send them. */
struct mb_event_rate {
	struct bpf_spin_lock lock;
	__u32 second;
	/* How many were sent in this second, without the first event of each pod: of pods that had such events in the
	 * second before, and of pods that were silent. */
	__u32 sent[2];
	/* Dropped events since the last one that was sent. */
	__u32 missed;
	/* Pods that had such events in this second. */
	__u32 pods;
	/* The same for the previous second. */
	__u32 pods_before;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, __MB_EVENT_KINDS);
	__type(key, __u32);
	__type(value, struct mb_event_rate);
} event_rates SEC(".maps");

/* How many events of a kind one pod had in the current second. Protected by the lock of struct mb_event_rate. */
struct mb_pod_events_key {
	struct mb_address pod;
	__u32 kind;
};

struct mb_pod_events {
	__u32 second;
	__u32 count;
	/* Whether the pod had none in the second before. */
	__u32 was_silent;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct mb_pod_events_key);
	__type(value, struct mb_pod_events);
} pod_events SEC(".maps");

#endif
