/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events that the programs send through mesh_events. */
#ifndef MERBRIDGE_ABI_EVENTS_H
#define MERBRIDGE_ABI_EVENTS_H

#include "abi/address.h"
#include "abi/hop.h"

enum mb_event_kind {
	/* An enrolled pod dials a connection, and its verdict is known. */
	MB_EVENT_CONNECTION,
	/* A sidecar called its own pod. */
	MB_EVENT_SELF_CALL,
	/* An operation was refused or failed. */
	MB_EVENT_DROPPED,
	/* sock_pair_map is nearly full. */
	MB_EVENT_MAP_PRESSURE,
	__MB_EVENT_KINDS,
} __attribute__((packed));

/* Why an operation was refused or failed. */
enum mb_drop_reason {
	MB_DROP_NOTHING = 0,
	/* A sidecar dialled itself: its connect(2) failed with EPERM. */
	MB_DROP_LOOP = 1,
	/* A sidecar accepted a connection of this node whose original destination was not found. */
	MB_DROP_UNKNOWN_ORIGINAL_DESTINATION = 2,
	/* The socket could not get local storage: the connection kept its old path. */
	MB_DROP_NO_MEMORY = 3,
	/* The pod's address could not be bound: the connection kept its old path. */
	MB_DROP_NO_SOURCE = 4,
	/* No entry could be added to pair_original_dst: the sidecar will not find the original destination. */
	MB_DROP_NO_ENTRY = 5,
	/* sock_pair_map is full: the socket stays on the TCP stack. */
	MB_DROP_MAP_FULL = 6,
	/* The kernel does not accept this kind of socket in a sockhash: it stays on the TCP stack. */
	MB_DROP_SOCKET = 7,
} __attribute__((packed));

/* A record of mesh_events. Members that a kind of event does not use are zero. */
struct mb_event {
	/* CLOCK_MONOTONIC, nanoseconds. */
	__u64 time;
	/* Cookie of the network namespace. */
	__u64 netns;
	/* Cookie of the socket. */
	__u64 cookie;
	/* Id of the process that dialled, in the initial pid namespace. */
	__u32 pid;
	/* Events of this kind since the last one that exceeded the rate limit, or found the ring buffer full. */
	__u32 missed;
	enum mb_event_kind kind;
	enum mb_hop hop;
	enum mb_drop_reason reason;
	__u8 redirected;
	/* Error number of the kernel. */
	__u32 error;
	/* The pod that dialled. For an accepted socket, the pod that it belongs to. */
	struct mb_address pod;
	/* Source address that the other end sees; all zero if the kernel chooses it. */
	struct mb_address client;
	/* Original destination. */
	struct mb_endpoint destination;
	/* Where the connection actually goes. */
	struct mb_endpoint target;
	/* Number of entries in sock_pair_map. */
	__u32 entries;
	/* The level, as a number of entries, that was reached. */
	__u32 alarm;
};

_Static_assert(sizeof(struct mb_event) == 120, "mb_event");

#endif
