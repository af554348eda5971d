/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect4: an IPv4 socket dials. */
#include "redirect.h"
#include "report-dial.h"

SEC("cgroup/connect4")
int mb_connect4(struct bpf_sock_addr *ctx)
{
	struct mb_redirect to = {};

	if (ctx->protocol != IPPROTO_TCP || ctx->user_family != AF_INET)
		return MB_PROCEED;
	mb_redirect(ctx, ctx->user_ip4, ctx->user_port, &to);
	if (to.source) {
		struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = { .s_addr = to.source } };

		if (bpf_bind(ctx, (struct sockaddr *)&source, sizeof(source)))
			mb_forget(ctx, &to);
	}
	mb_count_dial(&to);
	mb_report_dial(ctx, &to);
	if (to.drop == MB_DROP_LOOP)
		return MB_REFUSE;
	if (!to.port)
		return MB_PROCEED;
	ctx->user_ip4 = to.ip;
	ctx->user_port = to.port;
	return MB_PROCEED;
}
