/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts the sockets in sock_pair_map, and reports when it is nearly full. */
#ifndef MERBRIDGE_ACTIONS_COUNT_SOCKETS_H
#define MERBRIDGE_ACTIONS_COUNT_SOCKETS_H

#include "abi/events.h"
#include "abi/socket-count.h"
#include "actions/send-event.h"
#include "lib/bpf.h"
#include "maps/settings.h"
#include "maps/socket-storage.h"
#include "maps/stats.h"

static __noinline int mb_send_pressure(struct mb_socket_count *count, __u32 entries)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_event event = {};
	__u32 level;
	bool news;

	if (!settings || !settings->events[MB_EVENT_MAP_PRESSURE])
		return 0;
	level = entries >= settings->socket_alarm[1] ? 2 : 1;
	bpf_spin_lock(&count->lock);
	news = level > count->level;
	if (news)
		count->level = level;
	bpf_spin_unlock(&count->lock);
	if (!news)
		return 0;
	event.kind = MB_EVENT_MAP_PRESSURE;
	event.entries = entries;
	event.alarm = settings->socket_alarm[level - 1];
	if (mb_send_event(&event, settings->events[MB_EVENT_MAP_PRESSURE]))
		return 1;
	/* The event could not be sent: the next socket tries again. */
	bpf_spin_lock(&count->lock);
	if (count->level == level)
		count->level = level - 1;
	bpf_spin_unlock(&count->lock);
	return 0;
}

static __always_inline struct mb_socket_count *mb_socket_count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&socket_count, &zero);
}

/* A socket has entered sock_pair_map. */
static __noinline int mb_socket_entered(void)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_socket_count *count = mb_socket_count();
	__u32 level;
	__s64 open;

	if (!settings || !count)
		return 0;
	__sync_fetch_and_add(&count->open, 1);
	open = *(volatile __s64 *)&count->open;
	level = count->level;
	if (settings->socket_alarm[0] && level < 2 && open >= settings->socket_alarm[level & 1])
		mb_send_pressure(count, open);
	return 0;
}

/* A socket has left sock_pair_map, or will soon. The kernel deletes it when it is closed, and calls no program for
 * that. The end of its connection is counted instead, which may come later. */
static __always_inline void mb_uncount(struct mb_socket *socket)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_socket_count *count = mb_socket_count();
	__s64 open;

	if (!settings || !count || !socket->is_counted)
		return;
	socket->is_counted = 0;
	__sync_fetch_and_add(&count->open, -1);
	open = *(volatile __s64 *)&count->open;
	if (!count->level || open >= settings->socket_rearm[1])
		return;
	bpf_spin_lock(&count->lock);
	if (open < settings->socket_rearm[0])
		count->level = 0;
	else if (count->level > 1)
		count->level = 1;
	bpf_spin_unlock(&count->lock);
}

#endif
