/* Ends that never block but in epoll_wait. */
#define _GNU_SOURCE
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the program believes of its socket. */
struct belief {
	int epoll;
	bool edge;
	bool readable;
	bool writable;
	bool hangup;    /* the other end will say no more */
	int available;  /* of nginx: what FIONREAD said, -1: it was not asked */
	uint32_t asked; /* the events that epoll was asked for */
};

static bool is_edge_triggered(enum reader reader)
{
	return reader == EDGE || reader == SHORT || reader == FIONREAD_0;
}

static void ask(struct belief *belief, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (events == belief->asked)
		return;
	epoll_ctl(belief->epoll, belief->asked ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	belief->asked = events;
}

static void await(struct wire *wire, struct belief *belief, bool wants_to_write)
{
	struct epoll_event event;

	if (belief->edge) {
		ask(belief, wire->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	} else {
		belief->readable = false;
		belief->hangup = false;
		ask(belief, wire->fd, (wire->ended ? 0 : EPOLLIN | EPOLLRDHUP) | (wants_to_write ? EPOLLOUT : 0));
	}
	if (epoll_wait(belief->epoll, &event, 1, 1000) != 1)
		return;
	if (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		belief->readable = true;
		belief->available = -1;
	}
	if (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		belief->hangup = true;
	if (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		belief->writable = true;
}

/* As ngx_unix_recv() of nginx 1.22, with EPOLLRDHUP. */
static void read_as_nginx(struct wire *wire, struct belief *belief)
{
	ssize_t length;

	if (belief->available == 0 && !belief->hangup) {
		belief->readable = false;
		return;
	}
	length = recv(wire->fd, wire->buffer, wire->buffer_bytes, 0);
	if (length < 0 && errno == EAGAIN) {
		belief->readable = false;
		return;
	}
	wire_got(wire, length, wire->buffer, "recv");
	if (length <= 0)
		return;
	if (belief->available >= 0) {
		belief->available -= length;
		if (belief->available < 0) {
			belief->available = 0;
			belief->readable = false;
		}
	} else if ((size_t)length == wire->buffer_bytes && ioctl(wire->fd, FIONREAD, &belief->available) < 0) {
		wire_fail(wire, "wrong", "FIONREAD", errno);
	}
	if ((size_t)length < wire->buffer_bytes) {
		if (!belief->hangup)
			belief->readable = false;
		belief->available = 0;
	}
}

/* Looks at less than it reads then: what it has seen must be what it gets. */
static ssize_t peek_and_read(struct wire *wire)
{
	uint8_t seen[16];
	ssize_t looked = recv(wire->fd, seen, sizeof(seen), MSG_PEEK), length;

	if (looked < 0)
		return looked;
	length = recv(wire->fd, wire->buffer, wire->buffer_bytes, 0);
	if (length < 0 && errno == EAGAIN) {
		wire_fail(wire, "wrong", "recv after MSG_PEEK", errno);
	} else if (length >= 0 && (looked == 0) != (length == 0)) {
		wire_fail(wire, "wrong", "MSG_PEEK saw another end", 0);
	} else if (length >= 0 && memcmp(seen, wire->buffer, looked < length ? looked : length) != 0) {
		wire_fail(wire, "wrong", "MSG_PEEK saw other bytes", 0);
	}
	return length;
}

static ssize_t read_pieces(struct wire *wire)
{
	static const size_t LENGTHS[] = { 1, 7, 100, 13, 2000, 3, 500 };
	struct iovec pieces[7];
	size_t at = 0;

	for (int i = 0; i < 7; i++) {
		pieces[i] = (struct iovec){ .iov_base = wire->buffer + at, .iov_len = LENGTHS[i] };
		at += LENGTHS[i];
	}
	return readv(wire->fd, pieces, 7);
}

static void read_some(struct wire *wire, struct belief *belief)
{
	enum reader reader = wire->plan->reader[wire->role];
	ssize_t length;

	if (reader == FIONREAD_0)
		return read_as_nginx(wire, belief);
	length = reader == PEEK     ? peek_and_read(wire)
		 : reader == PIECES ? read_pieces(wire)
				    : recv(wire->fd, wire->buffer, wire->buffer_bytes, 0);
	if (!belief->edge)
		belief->readable = false; /* epoll says it again */
	if (length < 0 && errno == EAGAIN) {
		belief->readable = false;
		return;
	}
	wire_got(wire, length, wire->buffer, "recv");
	if (length <= 0 || (size_t)length == wire->buffer_bytes)
		return;
	if (reader == SHORT && !belief->hangup)
		belief->readable = false;
	if (reader == HANGUP && belief->hangup)
		wire->ended = true;
}

/* Until all has been sent and read up to there, and the end as well if that is wanted. False if it cannot be any more.
 */
static bool advance(struct wire *wire, struct belief *belief, uint64_t send_to, uint64_t read_to, bool to_end)
{
	for (;;) {
		bool writes = wire->sent < send_to;
		bool reads = !wire->ended && (wire->in.bytes < read_to || to_end);

		if (wire->over || wire->hung || (wire->ended && wire->in.bytes < read_to))
			return false;
		if (!writes && !reads)
			return true;
		if (writes && belief->writable)
			belief->writable = wire_send(wire, send_to, false);
		if (belief->readable && !wire->ended)
			read_some(wire, belief);
		else if (!(writes && belief->writable))
			await(wire, belief, writes);
	}
}

void run_in_epoll(struct wire *wire)
{
	struct belief belief = { .epoll = epoll_create1(EPOLL_CLOEXEC), .writable = true, .available = -1 };
	struct progress at = PROGRESS_BEGIN;
	bool whole = true;

	belief.edge = is_edge_triggered(wire->plan->reader[wire->role]);
	fcntl(wire->fd, F_SETFL, O_NONBLOCK);
	while (whole && progress_next(&at, wire)) {
		be_away(wire, at.step);
		whole = advance(wire, &belief, at.send_to, at.read_to, reads_end_in(wire, at.step));
		if (whole && finishes_in(wire, at.step))
			shutdown(wire->fd, SHUT_WR);
	}
	if (whole && !closes_first(wire)) {
		shutdown(wire->fd, SHUT_WR);
		advance(wire, &belief, at.send_to, at.read_to, true);
	}
	close(belief.epoll);
}
