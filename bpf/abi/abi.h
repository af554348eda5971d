/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Layouts and numbers that the programs and user space share. `npm run abi` generates src/mesh/abi/ from them. It
 * leaves out members called `pad`, and enumerators that begin with two underscores. Widths are fixed, padding is
 * spelled out, sizes are asserted. A packed enum takes one byte. */
#ifndef MERBRIDGE_ABI_H
#define MERBRIDGE_ABI_H

#include <linux/bpf.h>
#include <linux/types.h>

/* An address in one form for both families: IPv4 is ::ffff:a.b.c.d, network byte order. */
struct mb_address {
	__be32 word[4];
};

/* A TCP connection as one of its two sockets sees it. `netns` is 0 unless an end is in 127.0.0.0/8: only loopback
 * addresses repeat from one network namespace to the next. The initial sequence numbers are of this connection: whoever
 * opens a socket with the same addresses and ports in a network namespace of its own does not get the same key. */
struct mb_quadruple {
	__u64 netns;
	struct mb_address local;
	struct mb_address remote;
	__be16 local_port;
	__be16 remote_port;
	__u32 local_isn; /* host byte order */
	__u32 remote_isn;
	__u32 pad;
};

/* Key of pair_original_dst: who dials, and which port of a sidecar. Not at which of its addresses that is: where the
 * mesh's own rules are in place, too, they may redirect once more, to another address with the same port. */
struct mb_pending {
	__u64 netns; /* as in mb_quadruple */
	struct mb_address client;
	__be16 client_port; /* 0 where connection tracking of the pod may put another port into the packets */
	__be16 sidecar_port;
	__u32 client_isn; /* host byte order */
};

/* An address with a port, both in network byte order. */
struct mb_endpoint {
	struct mb_address address;
	__be16 port;
	__u16 pad;
};

/* How far acceleration goes. A pod may say "inherit", the accelerator may not. Ordered: a wider scope is a larger
 * number. */
enum mb_acceleration {
	MB_INHERIT = 0,
	MB_OFF = 1,
	MB_PROXIES = 2,
	MB_FULL = 3,
};

/* Which hop of the mesh a connection is. */
enum mb_hop {
	MB_HOP_NONE = 0,
	MB_HOP_OUTBOUND = 1, /* application to the outbound port of its own sidecar */
	MB_HOP_INBOUND = 2,  /* anything to the inbound port of a pod's sidecar */
	MB_HOP_DELIVERY = 3, /* sidecar to its own application, from the passthrough address */
	MB_HOP_LOOP = 4,     /* sidecar to itself: refused */
	MB_HOP_DIRECT = 5,   /* application, past its own sidecar, to the inbound port of another pod's */
} __attribute__((packed));

/* Value of local_pod_ips. */
struct mb_pod {
	enum mb_acceleration acceleration;
	__u32 rules;  /* key in pod_rules; 0 = the profile's own rules */
	__u64 cgroup; /* id of the pod's cgroup, whose processes it is; 0 = not known: whoever has its address is the
			 pod */
};

/* The lists of a rule set. Ports are in pod_rule_ports, ranges in pod_rule_ranges. */
enum mb_rule_list {
	MB_INBOUND_PORTS, /* redirected, or with MB_RULES_ALL_INBOUND not redirected */
	MB_EXCLUDE_OUTBOUND_PORTS,
	MB_INCLUDE_OUTBOUND_PORTS,
	MB_EXCLUDE_OUTBOUND_RANGES,
	MB_INCLUDE_OUTBOUND_RANGES,
};

/* Flags of a rule set; 1 << enum mb_rule_list says that this list is not empty. */
enum mb_rules_flag {
	MB_RULES_ALL_INBOUND = 1 << 16,
	MB_RULES_ALL_OUTBOUND = 1 << 17,
	MB_RULES_LOOPBACK = 1 << 18, /* an included range begins in 127.0.0.0/8 or with ::1 */
};

/* Value of pod_rules. A set is never changed: a pod that is given other rules names another set. What is reserved is
 * zero, and is for other meshes and for DNS. */
struct mb_rules {
	__u64 digest[2]; /* of what the set says, for user space to find an equal one */
	__u32 flags;     /* of enum mb_rules_flag */
	__u32 reserved[11];
};

/* Key of pod_rule_ports. */
struct mb_rule_port {
	__u32 set;
	__u16 port;    /* host byte order */
	__u8 list;     /* enum mb_rule_list */
	__u8 protocol; /* IPPROTO_TCP */
};

/* Key of pod_rule_ranges, a trie: set and list are matched whole, so the prefix is at least MB_RULE_RANGE_FIXED bits
 * long. */
struct mb_rule_range {
	__u32 prefix; /* in bits, of all that follows */
	__u32 set;
	__u32 list; /* enum mb_rule_list, and MB_RULES_OF_IPV6 for ranges of IPv6 */
	struct mb_address address;
};

/* Value of process_ip: valid only in that network namespace, so a reused process id elsewhere never inherits it. */
struct mb_process {
	struct mb_address pod;
	__u64 netns;
};

/* What the programs report through mesh_events. */
enum mb_event_kind {
	MB_EVENT_CONNECTION,   /* a connection of an enrolled pod was decided upon */
	MB_EVENT_SELF_CALL,    /* a sidecar called its own pod */
	MB_EVENT_DROPPED,      /* something was refused, or could not be done */
	MB_EVENT_MAP_PRESSURE, /* sock_pair_map fills up */
	__MB_EVENT_KINDS,
} __attribute__((packed));

/* Single numbers. */
enum mb_constant {
	/* Instead of a socket in mb_settings.owner: everything is pinned, the gate of ingress.bpf.c as well, so nobody
	 * has to be alive. Never an address. */
	MB_OWNER_PINS = 1,
	MB_MAX_EXCLUDED = 16,     /* ports in mb_profile.excluded_inbound */
	MB_RULE_RANGE_FIXED = 64, /* bits of the prefix of a mb_rule_range before its address */
	/* Added to mb_rule_range.list: ::/0 would find every IPv4 address, which is one of ::ffff:0:0/96. */
	MB_RULES_OF_IPV6 = 16,
};

/* The one element of mesh_settings. User space raises `generation` after every change that a decision may depend on. */
struct mb_settings {
	enum mb_acceleration acceleration; /* never MB_INHERIT, but in a new map */
	__u32 generation;
	/* A struct sock of the process that holds the attachments, to be read with mb_read only; or MB_OWNER_PINS; or
	 * 0: nobody. */
	__u64 owner;
	__u64 owner_cookie;
	__u32 events[__MB_EVENT_KINDS]; /* of each kind so many a second at most; 0 = none */
	__u32 socket_alarm[2]; /* MB_EVENT_MAP_PRESSURE at so many sockets in sock_pair_map, the lower number first; 0 =
				  never */
	__u32 socket_rearm[2]; /* ... and again only after there were fewer than so many */
};

/* Set once before load, in .rodata: the mesh profile. Ports in host byte order, addresses in network byte order. */
struct mb_profile {
	__u32 sidecar_uid;
	__u32 sidecar_gid;
	__be32 passthrough; /* 127.0.0.6: what a sidecar dials its own application from */
	__u16 outbound_port;
	__u16 inbound_port;
	__u16 tunnel_port; /* never redirected, also not when a sidecar calls its own pod */
	__u16 excluded_count;
	__u16 excluded_inbound[MB_MAX_EXCLUDED];
	__u32 backlog_limit;  /* bytes charged to a receiver above which messages take the stack */
	__u32 receive_buffer; /* SO_RCVBUF of an accelerated socket, which the kernel doubles; 0 = its buffers are left
				 alone */
	__u32 send_buffer;    /* SO_SNDBUF, likewise */
	__u32 charged; /* 1 if this kernel charges redirected bytes to their receiver; 0 = the programs keep the account
			*/
	__u32 keep_alive;     /* seconds between the probes on an idle hop between pods; 0 = none */
	__u32 weakly_ordered; /* 1 on a machine that may read ahead of an atomic operation that returns nothing (arm64)
			       */
};

/* Why something was refused, or could not be done. */
enum mb_drop_reason {
	MB_DROP_NOTHING = 0,
	MB_DROP_LOOP = 1,           /* a sidecar dialled itself: its call failed with EPERM */
	MB_DROP_UNKNOWN_ORIGIN = 2, /* a sidecar accepted a connection of this node whose destination was not found */
	MB_DROP_NO_MEMORY = 3,      /* nothing could be kept on the socket: the connection kept its old path */
	MB_DROP_NO_SOURCE = 4,      /* the pod's address could not be bound: the connection kept its old path */
	MB_DROP_NO_ENTRY = 5,       /* pair_original_dst took no entry: the sidecar will not hear what was dialled */
	MB_DROP_MAP_FULL = 6,       /* sock_pair_map is full: the socket stays on the TCP stack */
	MB_DROP_SOCKET = 7,         /* the kernel takes no such socket into a sockhash: it stays on the TCP stack */
} __attribute__((packed));

/* A record of mesh_events. What a kind has no use for is zero. */
struct mb_event {
	__u64 time;   /* CLOCK_MONOTONIC, nanoseconds */
	__u64 netns;  /* cookie of the network namespace */
	__u64 cookie; /* of the socket */
	__u32 pid;    /* of the process that dialled, as the initial pid namespace numbers it */
	__u32 missed; /* events of this kind since the last one that were over the rate, or found the ring full */
	enum mb_event_kind kind;
	enum mb_hop hop;
	enum mb_drop_reason reason;
	__u8 redirected;
	__u32 error;                    /* error number of the kernel */
	struct mb_address pod;          /* the pod that dialled; of an accepted socket the pod that it belongs to */
	struct mb_address client;       /* source address that the other end sees; all zero: the kernel chooses */
	struct mb_endpoint destination; /* what was dialled */
	struct mb_endpoint target;      /* where the connection goes */
	__u32 entries;                  /* of sock_pair_map */
	__u32 alarm;                    /* the number of entries that raised this */
};

/* The one element of socket_count: how many sockets are in sock_pair_map, which the kernel does not tell. */
struct mb_socket_count {
	__s64 open; /* too many by those that were closed, but whose TCP connection has not ended yet */
	struct bpf_spin_lock lock;
	__u32 level; /* how many of settings.socket_alarm were told, and not rearmed */
};

/* Index of each element of mesh_counters. */
enum mb_counter {
	MB_COUNT_OUTBOUND,      /* connections sent to the outbound port */
	MB_COUNT_INBOUND,       /* connections sent to an inbound port */
	MB_COUNT_LEFT_ALONE,    /* connections of enrolled pods that keep their destination */
	MB_COUNT_HOOK_ERRORS,   /* a hook could not do its work, and the connection kept its old path; or a sidecar
				   dialled itself */
	MB_COUNT_SOCKETS,       /* sockets put into sock_pair_map */
	MB_COUNT_SOCKET_ERRORS, /* sockets that could not be put there (map full, MPTCP, an upper layer protocol) */
	MB_COUNT_REDIRECTED_MESSAGES, /* messages moved from socket to socket */
	MB_COUNT_REDIRECTED_BYTES,
	MB_COUNT_PASSED_SCOPE, /* messages left to the stack: a pod's scope excludes this connection, or nobody owns the
				  programs any more */
	MB_COUNT_PASSED_NO_PEER, /* ... the other end is not known, or not accelerated */
	MB_COUNT_PASSED_FIRST,   /* ... first bytes to a sidecar, which has not read them yet */
	MB_COUNT_PASSED_BACKLOG, /* ... the receiver holds more than backlog_limit, or memory is short */
	MB_COUNT_HELD_SEGMENTS, /* segments held back: behind unread redirected bytes, or of no use but to wake a reader
				 */
	MB_COUNT_PASSED_SWITCH, /* messages left to the stack: acceleration is off for all */
	MB_COUNT_PASSED_PEER_GONE, /* ... the other end was closed */
	MB_COUNT_UNKNOWN_ORIGINS,  /* connections of this node whose destination a sidecar asked for, and nobody knew */
	MB_COUNT_EVENTS,           /* events put into mesh_events */
	MB_COUNT_EVENTS_LIMITED,   /* events left out, because more than settings.events came in one second */
	MB_COUNT_EVENTS_LOST,      /* events left out, because mesh_events was full */
	MB_COUNT_PASSED_PEER_LEFT, /* messages left to the stack: the other end has left sock_pair_map */
	MB_COUNT_SOCKETS_LEFT,     /* sockets taken out of sock_pair_map before they were closed */
	__MB_COUNTERS,
};

_Static_assert(sizeof(struct mb_quadruple) == 56, "mb_quadruple");
_Static_assert(sizeof(struct mb_pending) == 32, "mb_pending");
_Static_assert(sizeof(struct mb_endpoint) == 20, "mb_endpoint");
_Static_assert(sizeof(struct mb_pod) == 16, "mb_pod");
_Static_assert(sizeof(struct mb_rules) == 64, "mb_rules");
_Static_assert(sizeof(struct mb_rule_port) == 8, "mb_rule_port");
_Static_assert(sizeof(struct mb_rule_range) == 28, "mb_rule_range");
_Static_assert(sizeof(struct mb_process) == 24, "mb_process");
_Static_assert(sizeof(struct mb_settings) == 56, "mb_settings");
_Static_assert(sizeof(struct mb_event) == 120, "mb_event");
_Static_assert(sizeof(struct mb_profile) == 76, "mb_profile");
_Static_assert(sizeof(struct mb_socket_count) == 16, "mb_socket_count");

#endif
