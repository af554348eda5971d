/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs report through mesh_events. */
#ifndef MERBRIDGE_ABI_EVENTS_H
#define MERBRIDGE_ABI_EVENTS_H

#include "abi/address.h"
#include "abi/hop.h"

enum mb_event_kind {
	/* A connection of an enrolled pod was decided upon. */
	MB_EVENT_CONNECTION,
	/* A sidecar called its own pod. */
	MB_EVENT_SELF_CALL,
	/* Something was refused, or could not be done. */
	MB_EVENT_DROPPED,
	/* sock_pair_map fills up. */
	MB_EVENT_MAP_PRESSURE,
	__MB_EVENT_KINDS,
} __attribute__((packed));

/* Why something was refused, or could not be done. */
enum mb_drop_reason {
	MB_DROP_NOTHING = 0,
	/* A sidecar dialled itself: its call failed with EPERM. */
	MB_DROP_LOOP = 1,
	/* A sidecar accepted a connection of this node whose original destination was not found. */
	MB_DROP_UNKNOWN_ORIGINAL_DESTINATION = 2,
	/* Nothing could be kept on the socket: the connection kept its old path. */
	MB_DROP_NO_MEMORY = 3,
	/* The pod's address could not be bound: the connection kept its old path. */
	MB_DROP_NO_SOURCE = 4,
	/* pair_original_dst took no entry: the sidecar will not hear what was dialled. */
	MB_DROP_NO_ENTRY = 5,
	/* sock_pair_map is full: the socket stays on the TCP stack. */
	MB_DROP_MAP_FULL = 6,
	/* The kernel takes no such socket into a sockhash: it stays on the TCP stack. */
	MB_DROP_SOCKET = 7,
} __attribute__((packed));

/* A record of mesh_events. What a kind has no use for is zero. */
struct mb_event {
	/* CLOCK_MONOTONIC, nanoseconds. */
	__u64 time;
	/* Cookie of the network namespace. */
	__u64 netns;
	/* Cookie of the socket. */
	__u64 cookie;
	/* Of the process that dialled, as the initial pid namespace numbers it. */
	__u32 pid;
	/* Events of this kind since the last one that were over the rate, or found the ring full. */
	__u32 missed;
	enum mb_event_kind kind;
	enum mb_hop hop;
	enum mb_drop_reason reason;
	__u8 redirected;
	/* Error number of the kernel. */
	__u32 error;
	/* The pod that dialled; of an accepted socket the pod that it belongs to. */
	struct mb_address pod;
	/* Source address that the other end sees; all zero: the kernel chooses. */
	struct mb_address client;
	/* What was dialled. */
	struct mb_endpoint destination;
	/* Where the connection goes. */
	struct mb_endpoint target;
	/* Of sock_pair_map. */
	__u32 entries;
	/* The number of entries that raised this. */
	__u32 alarm;
};

_Static_assert(sizeof(struct mb_event) == 120, "mb_event");

#endif
