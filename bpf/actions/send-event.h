/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends events to user space. If events are off, this costs one branch on mesh_settings. Therefore the rest is in
 * separate functions. */
#ifndef MERBRIDGE_ACTIONS_SEND_EVENT_H
#define MERBRIDGE_ACTIONS_SEND_EVENT_H

#include "abi/events.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "maps/events.h"
#include "maps/settings.h"

#define MB_SECOND_NS (1000ull * 1000 * 1000)

/* Maximum number of events of this kind per second; 0 = none. */
static __always_inline __u32 mb_event_limit(__u32 kind)
{
	const struct mb_settings *settings = mb_settings();

	return settings ? settings->events[kind] : 0;
}

/* Is `second` after the one that counts? A CPU that read the clock before another one may count after it, and must not
 * begin its second again. */
static __always_inline bool mb_later_second(__u32 second, __u32 counted)
{
	return (__s32)(second - counted) > 0;
}

/* NULL if the map cannot have one more entry. */
static __always_inline struct mb_pod_events *mb_events_of_pod(const struct mb_event *event)
{
	struct mb_pod_events_key key = { .pod = event->pod, .kind = event->kind };
	struct mb_pod_events *events = bpf_map_lookup_elem(&pod_events, &key);
	struct mb_pod_events none = {};

	if (events)
		return events;
	bpf_map_update_elem(&pod_events, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pod_events, &key);
}

/* May one more be sent in this second? Counts it, or counts it as missed. Pods share the limit equally, so that a busy
 * pod does not hide events of others. How many pods there are is known from the previous second and from this one so
 * far. Pods that were silent in the second before share a limit of their own, because the others may have used theirs
 * already. The first event of a pod in a second counts in neither, up to the limit: pods that flood from the beginning
 * of the second may have used both. It uses a lock instead of atomic operations that return a value, because programs
 * on arm64 have these only since Linux 5.18. */
static __always_inline bool mb_within_rate(struct mb_event_rate *rate, struct mb_pod_events *of_pod, __u32 limit,
					   __u32 second, __u32 *missed)
{
	__u32 pods, share;
	bool within = false;

	bpf_spin_lock(&rate->lock);
	if (mb_later_second(second, rate->second)) {
		rate->pods_before = rate->second + 1 == second ? rate->pods : 0;
		rate->pods = 0;
		rate->second = second;
		rate->sent[0] = rate->sent[1] = 0;
	}
	if (of_pod && mb_later_second(second, of_pod->second)) {
		of_pod->was_silent = of_pod->second + 1 != second;
		of_pod->second = second;
		of_pod->count = 0;
	}
	if (of_pod && !of_pod->count++) {
		rate->pods++;
		within = rate->pods <= limit;
	} else if (of_pod) {
		__u32 *sent = of_pod->was_silent ? &rate->sent[1] : &rate->sent[0];

		pods = rate->pods > rate->pods_before ? rate->pods : rate->pods_before;
		share = pods > 1 ? limit / pods : limit;
		within = *sent < limit && of_pod->count <= share;
		*sent += within;
	}
	if (within) {
		*missed = rate->missed;
		rate->missed = 0;
	} else {
		rate->missed++;
	}
	bpf_spin_unlock(&rate->lock);
	return within;
}

/* Sends an event, or counts it as dropped. `event->kind` must be set. Returns whether it was sent. */
static __noinline int mb_send_event(struct mb_event *event, __u32 limit)
{
	__u32 kind = event->kind;
	struct mb_event_rate *rate = bpf_map_lookup_elem(&event_rates, &kind);
	struct mb_pod_events *of_pod = mb_events_of_pod(event);

	if (!rate)
		return 0;
	event->time = bpf_ktime_get_ns();
	if (!mb_within_rate(rate, of_pod, limit, event->time / MB_SECOND_NS, &event->missed)) {
		mb_count(MB_COUNT_EVENTS_LIMITED, 1);
		return 0;
	}
	if (!bpf_ringbuf_output(&mesh_events, event, sizeof(*event), 0)) {
		mb_count(MB_COUNT_EVENTS, 1);
		return 1;
	}
	bpf_spin_lock(&rate->lock);
	rate->missed += event->missed + 1;
	bpf_spin_unlock(&rate->lock);
	mb_count(MB_COUNT_EVENTS_LOST, 1);
	return 0;
}

#endif
