/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of connections and their sockets. */
#ifndef MERBRIDGE_MAPS_SOCKETS_H
#define MERBRIDGE_MAPS_SOCKETS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/address.h"
#include "abi/tuple.h"
#include "maps/socket-storage.h"

/* Versions of this library find the pinned maps of each other by name (src/mesh/pins/). So socket_origin, socket_peer
 * and peer_introductions keep the names under which they were first pinned, and only their values have the newer names.
 * An earlier version refuses pins without the first two, and a map with another name is empty after an upgrade. */

/* Socket -> its original destination. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mb_original_destination);
} socket_origin SEC(".maps");

/* Socket -> its state on the accelerated path. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mb_socket);
} socket_peer SEC(".maps");

/* 4-tuple -> the local socket that has it. The kernel deletes an entry when the socket is closed. mb_leave
 * deletes it when nothing is queued on the socket, because queued data is lost with the key. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct mb_tuple);
	__type(value, __u64);
} sock_pair_map SEC(".maps");

/* One end of a connection, written for the other end, which does not know it yet. */
struct mb_pending_peer {
	__u64 sock;
	__u64 cookie;
	struct mb_address pods[2];
	__u32 hop;
	__u32 pad;
};

/* 4-tuple -> a pending peer: the socket that has it, for the other end. Each end deletes the entry that the other end
 * wrote for it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_tuple);
	__type(value, struct mb_pending_peer);
} peer_introductions SEC(".maps");

/* Client -> original destination. Written before the SYN is sent, and again before it is retransmitted, since it may
 * have been evicted. Deleted by the accepting side, which stores it on its socket instead, or when the connection
 * attempt has failed. So it contains pending handshakes only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_pending_handshake);
	__type(value, struct mb_endpoint);
} pair_original_dst SEC(".maps");

#endif
