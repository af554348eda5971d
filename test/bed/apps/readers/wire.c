#define _GNU_SOURCE
#include "wire.h"
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire *watched;

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static void *watcher(void *limit)
{
	for (;;) {
		usleep(250 * 1000);
		pthread_mutex_lock(&lock);
		for (struct wire *wire = watched; wire; wire = wire->next) {
			if (wire->hung || now_ms() - wire->moved_ms < *(unsigned *)limit)
				continue;
			wire->hung = true;
			shutdown(wire->fd, SHUT_RDWR);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

void watch(unsigned limit_ms)
{
	static unsigned limit;
	pthread_t thread;

	limit = limit_ms;
	pthread_create(&thread, NULL, watcher, &limit);
	pthread_detach(thread);
}

void wire_open(struct wire *wire, int fd, enum role role, const struct plan *plan, bool plain)
{
	*wire = (struct wire){ .fd = fd,
			       .role = role,
			       .plan = plan,
			       .plain = plain,
			       .moved_ms = now_ms(),
			       .buffer_bytes = plan->read_bytes[role] };
	wire->buffer = malloc(wire->buffer_bytes);
	checker_init(&wire->in, plan->start[!role], plan_total(plan, !role));
	pthread_mutex_lock(&lock);
	wire->next = watched;
	watched = wire;
	pthread_mutex_unlock(&lock);
}

void wire_close(struct wire *wire)
{
	pthread_mutex_lock(&lock);
	for (struct wire **at = &watched; *at; at = &(*at)->next) {
		if (*at != wire)
			continue;
		*at = wire->next;
		break;
	}
	pthread_mutex_unlock(&lock);
	close(wire->fd);
	free(wire->buffer);
}

void wire_fail(struct wire *wire, const char *damage, const char *call, int error)
{
	pthread_mutex_lock(&lock);
	if (!wire->over) {
		const char *name = error ? strerrorname_np(error) : NULL;

		wire->damage = damage;
		snprintf(wire->error, sizeof(wire->error), "%s%s%s", call, name ? ": " : "", name ? name : "");
		wire->over = true;
	}
	pthread_mutex_unlock(&lock);
}

void wire_got(struct wire *wire, ssize_t length, const uint8_t *bytes, const char *call)
{
	if (length < 0)
		return wire_fail(wire, "lost", call, errno);
	wire->moved_ms = now_ms();
	if (length == 0)
		wire->ended = true;
	else
		checker_take(&wire->in, bytes, length);
}

bool wire_send(struct wire *wire, uint64_t target, bool blocks)
{
	size_t bytes = wire->plan->write_bytes[wire->role];
	ssize_t length;

	if (bytes > target - wire->sent)
		bytes = target - wire->sent;
	length = send(wire->fd, ramp_piece(wire->plan->start[wire->role], wire->sent), bytes, MSG_NOSIGNAL);
	if (length < 0 && errno == EAGAIN && !blocks)
		return false;
	if (length < 0) {
		wire_fail(wire, errno == EAGAIN ? "wrong" : "lost", "send", errno);
	} else {
		wire->moved_ms = now_ms();
		wire->sent += length;
	}
	return true;
}

const char *wire_verdict(const struct wire *wire)
{
	const char *damage = checker_verdict(&wire->in);

	if (!damage || strcmp(damage, "lost") == 0) {
		if (wire->hung)
			return "hung";
		if (wire->over)
			return wire->damage;
	}
	return damage;
}

bool wire_crossed(const struct wire *wire)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	getsockopt(wire->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	/* The end of the stream counts as one byte. */
	return info.tcpi_bytes_received > 1 && info.tcpi_bytes_received < wire->in.bytes;
}

void wire_report(const struct wire *wire, const struct header *header, char *line, size_t size)
{
	const struct plan *plan = wire->plan;

	snprintf(line, size,
		 "{\"damage\":\"%s\",\"family\":\"%s\",\"kind\":\"%s, %s to %s\",\"role\":\"%s\",\"index\":%u,"
		 "\"arrived\":%llu,\"of\":%llu,\"wrongAt\":%lld,\"sent\":%llu,\"error\":%s%s%s}",
		 wire_verdict(wire), family_name(header->family), ENDING_NAMES[plan->ending],
		 READER_NAMES[plan->reader[CLIENT]], READER_NAMES[plan->reader[SERVER]],
		 wire->role == CLIENT ? "client" : "server", header->index, (unsigned long long)wire->in.bytes,
		 (unsigned long long)wire->in.total, (long long)wire->in.wrong_at, (unsigned long long)wire->sent,
		 wire->over ? "\"" : "", wire->over ? wire->error : "null", wire->over ? "\"" : "");
}
