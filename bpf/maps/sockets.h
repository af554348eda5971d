/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of connections and their sockets. */
#ifndef MERBRIDGE_MAPS_SOCKETS_H
#define MERBRIDGE_MAPS_SOCKETS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/address.h"
#include "abi/tuple.h"
#include "maps/socket-storage.h"

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

/* Quadruple -> the local socket that has it. Entries leave when their socket is closed, never by a program: what is
 * queued on a socket is lost with its key. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct mb_quadruple);
	__type(value, __u64);
} sock_pair_map SEC(".maps");

/* One end of a handshake, told to the other end. */
struct mb_introduction {
	__u64 sock;
	__u64 cookie;
	struct mb_address pods[2];
	__u32 hop;
	__u32 pad;
};

/* Quadruple -> where to read the state of the socket that has it. Each end takes out what the other end left for it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_quadruple);
	__type(value, struct mb_introduction);
} peer_introductions SEC(".maps");

/* Who dials -> what was really dialled. Written before the SYN leaves, and again before it is sent again, since it may
 * have been evicted; taken out by the accepting side, which keeps it on its socket instead, or when the dial has
 * failed. So it holds pending connections only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct mb_pending);
	__type(value, struct mb_endpoint);
} pair_original_dst SEC(".maps");

#endif
