/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Index of each element of mesh_counters. New ones go to the end: pinned counters are carried over by number. */
#ifndef MERBRIDGE_ABI_COUNTERS_H
#define MERBRIDGE_ABI_COUNTERS_H

enum mb_counter {
	/* Connections redirected to the outbound port. */
	MB_COUNT_OUTBOUND,
	/* Connections redirected to an inbound port. */
	MB_COUNT_INBOUND,
	/* Connections of enrolled pods that keep their destination. */
	MB_COUNT_LEFT_ALONE,
	/* A hook failed, and the connection kept its old path; or a sidecar dialled itself. */
	MB_COUNT_HOOK_ERRORS,
	/* Sockets put into sock_pair_map. */
	MB_COUNT_SOCKETS,
	/* Sockets that could not be put there: the map is full, MPTCP, an upper layer protocol. */
	MB_COUNT_SOCKET_ERRORS,
	/* Messages moved from socket to socket. */
	MB_COUNT_REDIRECTED_MESSAGES,
	MB_COUNT_REDIRECTED_BYTES,
	/* Messages passed to the TCP stack: the scope of a pod excludes this connection, or the programs have no owner
	 * any more. */
	MB_COUNT_PASSED_SCOPE,
	/* Messages passed to the TCP stack: the other end is not known, or not accelerated. */
	MB_COUNT_PASSED_NO_PEER,
	/* Messages passed to the TCP stack: first bytes to a sidecar, which has not read them yet. */
	MB_COUNT_PASSED_FIRST,
	/* Messages passed to the TCP stack: the receiver holds more than backlog_limit, or memory is short. */
	MB_COUNT_PASSED_BACKLOG,
	/* Segments held back, because redirected bytes are unread, or because they would only wake a reader. */
	MB_COUNT_HELD_SEGMENTS,
	/* Messages passed to the TCP stack: acceleration is off for all pods. */
	MB_COUNT_PASSED_SWITCH,
	/* Messages passed to the TCP stack: the other end was closed. */
	MB_COUNT_PASSED_PEER_GONE,
	/* Connections of this node whose original destination a sidecar asked for, but which is unknown. */
	MB_COUNT_UNKNOWN_ORIGINAL_DESTINATIONS,
	/* Events sent to mesh_events. */
	MB_COUNT_EVENTS,
	/* Events dropped, because more than mb_settings.events happened in one second. */
	MB_COUNT_EVENTS_LIMITED,
	/* Events dropped, because mesh_events was full. */
	MB_COUNT_EVENTS_LOST,
	/* Messages passed to the TCP stack: the other end has left sock_pair_map. */
	MB_COUNT_PASSED_PEER_LEFT,
	/* Sockets that left sock_pair_map before they were closed. */
	MB_COUNT_SOCKETS_LEFT,
	__MB_COUNTERS,
};

#endif
