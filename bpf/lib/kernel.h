/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few kernel structures whose fields are read. CO-RE moves every offset to the running kernel's at load. */
#ifndef MERBRIDGE_LIB_KERNEL_H
#define MERBRIDGE_LIB_KERNEL_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct timespec64 {
	__s64 tv_sec;
};

struct list_head {
	struct list_head *next;
};

struct user_namespace {
	int level;
};

struct nf_hook_ops {
	int priority;
};

struct nf_hook_entry {
	void *hook;
	void *priv;
};

struct nf_hook_entries {
	__u16 num_hook_entries;
	struct nf_hook_entry hooks[];
};

struct netns_nf {
	struct nf_hook_entries *hooks_ipv4[5];
};

struct netns_ipv4 {
	__u8 sysctl_tcp_retries2;
};

struct net {
	struct list_head dev_base_head;
	__u64 net_cookie;
	struct user_namespace *user_ns;
	struct netns_ipv4 ipv4;
	struct netns_nf nf;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct cred {
	kuid_t fsuid;
	kgid_t fsgid;
};

struct file {
	const struct cred *f_cred;
};

struct socket {
	struct file *file;
};

struct proto {
	unsigned long *memory_pressure;
};

struct page_counter {
	struct {
		__s64 counter;
	} usage;
	unsigned long max;
	struct page_counter *parent;
};

struct mem_cgroup {
	struct page_counter tcpmem;
	_Bool tcpmem_active;
};

struct hlist_node {
	struct hlist_node **pprev;
};

struct timer_list {
	struct hlist_node entry;
};

typedef struct {
	struct {
		int counter;
	} refs;
} refcount_t;

typedef struct {
	int owned;
} socket_lock_t;

struct sock_common {
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct {
		__s64 counter;
	} skc_cookie;
	refcount_t skc_refcnt;
};

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	int sk_err;
	struct timer_list sk_timer;
	struct {
		struct {
			int counter;
		} rmem_alloc;
	} sk_backlog;
	__u8 sk_shutdown;
	struct socket *sk_socket;
	void *sk_user_data;
	struct mem_cgroup *sk_memcg;
};

struct sk_psock {
	struct list_head ingress_msg;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u8 icsk_ca_setsockopt : 1;
	__u8 icsk_retransmits;
	__u32 icsk_user_timeout;
	struct timer_list icsk_retransmit_timer;
	struct timer_list icsk_delack_timer;
	struct timer_list icsk_keepalive_timer;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 write_seq;
	__u8 bpf_sock_ops_cb_flags;
};

struct in_ifaddr {
	struct in_ifaddr *ifa_next;
	__be32 ifa_local;
};

struct in_device {
	struct in_ifaddr *ifa_list;
};

struct net_device {
	struct list_head dev_list;
	struct in_device *ip_ptr;
};

#pragma clang attribute pop

#endif
