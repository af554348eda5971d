/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Does netfilter in a network namespace translate the packets that are sent from it? */
#ifndef MERBRIDGE_LIB_NETFILTER_H
#define MERBRIDGE_LIB_NETFILTER_H

#include "lib/bpf.h"
#include "lib/kernel.h"

/* NF_INET_LOCAL_OUT of linux/netfilter.h, NF_IP_PRI_NAT_DST of linux/netfilter_ipv4.h. */
#define MB_LOCAL_OUT 3
#define MB_PRIORITY_NAT_DST -100
#define MB_MAX_HOOKS 16

/* Is there a nat table on output, of iptables or nftables? The nf_hook_ops of the hooks follow the hooks themselves, in
 * the same order (nf_hook_entries_get_hook_ops in linux/netfilter.h). */
static __always_inline bool mb_translates_output(struct net *net)
{
	struct nf_hook_entries *entries;
	struct nf_hook_ops **described;
	__u16 count;

	if (!bpf_core_field_exists(struct net, nf) || !bpf_core_field_exists(struct netns_nf, hooks_ipv4))
		return false;
	entries = BPF_CORE_READ(net, nf.hooks_ipv4[MB_LOCAL_OUT]);
	if (!entries)
		return false;
	count = BPF_CORE_READ(entries, num_hook_entries);
	described = (void *)entries + bpf_core_field_offset(struct nf_hook_entries, hooks);
	described = (void *)described + count * bpf_core_type_size(struct nf_hook_entry);
	for (int i = 0; i < MB_MAX_HOOKS && i < count; i++) {
		struct nf_hook_ops *hook = NULL;

		if (bpf_probe_read_kernel(&hook, sizeof(hook), described + i) || !hook)
			break;
		if (BPF_CORE_READ(hook, priority) == MB_PRIORITY_NAT_DST)
			return true;
	}
	return false;
}

#endif
