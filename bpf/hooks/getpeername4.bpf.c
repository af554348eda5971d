/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getpeername4: an IPv4 socket asks whom it is connected to. */
#include "hooks/getpeername.h"

SEC("cgroup/getpeername4")
int mb_getpeername4(struct bpf_sock_addr *ctx)
{
	return mb_getpeername(ctx, false);
}
