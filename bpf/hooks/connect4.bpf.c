/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect4: an IPv4 socket dials. */
#include "hooks/connect.h"

SEC("cgroup/connect4")
int mb_connect4(struct bpf_sock_addr *ctx)
{
	return mb_connect(ctx, false);
}
