/*
 * Streams between readers of every kind: what Node cannot do. Speaks as ../soak/client.mjs and ../soak/server.mjs.
 *
 *     readers server PORT LIMIT_MS
 *     readers client HOST PORT LIMIT_MS FAMILY SEED FIRST COUNT PARALLEL SECONDS PLAIN UNTIL
 *
 * A stream on which nothing moves for LIMIT_MS has hung. PLAIN: whether their sockets are in no sockmap; UNTIL: ends at
 * the first damage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "run.h"

/* Every fourth connection finds its reader away at the start, for so long. */
#define AWAY_MS 20

static unsigned limit_ms;

void be_away(struct wire *wire, int step)
{
	uint32_t away_ms = wire->plan->steps[step].away_ms[wire->role];

	if (away_ms == 0)
		return;
	usleep(away_ms * 1000);
	wire->moved_ms = now_ms();
}

void wire_run(struct wire *wire)
{
	if (in_epoll(wire->plan->reader[wire->role]))
		run_in_epoll(wire);
	else
		run_blocking(wire);
}

static void *start(void *(*body)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	errno = pthread_create(&thread, &attributes, body, argument);
	if (errno) {
		perror("pthread_create");
		exit(1);
	}
	pthread_attr_destroy(&attributes);
	return (void *)thread;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* The server's accounts, and the client's. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int open_streams;
static unsigned streams, oneway, refused, again, crossed, bad;

static void add(unsigned *counter, unsigned number)
{
	pthread_mutex_lock(&lock);
	*counter += number;
	pthread_mutex_unlock(&lock);
}

static void count(unsigned *counter)
{
	add(counter, 1);
}

static void blame(const char *line)
{
	count(&bad);
	dprintf(STDOUT_FILENO, "%s\n", line);
}

/* False if the stream is over, and was judged. */
static bool read_header(int fd, struct header *header)
{
	struct timeval limit = { .tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000 }, none = { 0 };
	uint64_t began = now_ms();
	size_t have = 0;
	char line[256];
	const char *damage;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (have < sizeof(*header)) {
		ssize_t length = recv(fd, (char *)header + have, sizeof(*header) - have, 0);

		if (length > 0) {
			have += length;
			continue;
		}
		if (have == 0 && (length == 0 || errno == ECONNRESET))
			return false; /* a client that ended before it said anything */
		damage = length == 0 || errno != EAGAIN ? "lost" : now_ms() - began + 500 < limit_ms ? "wrong" : "hung";
		snprintf(line, sizeof(line),
			 "{\"damage\":\"%s\",\"kind\":\"header\",\"role\":\"server\",\"arrived\":%zu,\"error\":\"%s\"}",
			 damage, have, length == 0 ? "end" : strerrorname_np(errno));
		blame(line);
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 && family_name(header->family))
		return true;
	/* Its own bytes, then: they overtook it. */
	blame("{\"damage\":\"reordered\",\"kind\":\"header\",\"role\":\"server\"}");
	return false;
}

static void *serve(void *argument)
{
	struct header header;
	struct plan plan;
	struct wire wire;
	char line[512];
	int fd = (int)(intptr_t)argument;

	if (read_header(fd, &header)) {
		plan_make(&plan, &header);
		wire_open(&wire, fd, SERVER, &plan, header.plain);
		wire_run(&wire);
		add(&crossed, wire_crossed(&wire));
		wire_close(&wire);
		add(&again, wire.again);
		if (wire_verdict(&wire)) {
			wire_report(&wire, &header, line, sizeof(line));
			blame(line);
		} else if (plan.ending == ONEWAY) {
			count(&oneway);
		}
	} else {
		close(fd);
	}
	pthread_mutex_lock(&lock);
	open_streams--;
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void *serve_late(void *argument)
{
	usleep(AWAY_MS * 1000);
	return serve(argument);
}

static int server(unsigned short port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct pollfd fds[2];
	unsigned accepted = 0;
	bool closing = false;
	sigset_t terminate;
	int one = 1;

	sigemptyset(&terminate);
	sigaddset(&terminate, SIGTERM);
	fds[1] = (struct pollfd){ .fd = signalfd(-1, &terminate, 0), .events = POLLIN };
	fds[0] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLIN };
	setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fds[0].fd, (void *)&address, sizeof(address)) < 0 || listen(fds[0].fd, 4096) < 0) {
		perror("listen");
		return 1;
	}
	for (;;) {
		int fd, left;

		poll(fds, closing ? 1 : 2, closing ? 20 : -1);
		closing |= fds[1].revents & POLLIN;
		fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_mutex_lock(&lock);
		left = open_streams += fd >= 0;
		pthread_mutex_unlock(&lock);
		if (fd >= 0) {
			no_delay(fd);
			pthread_detach(
				(pthread_t)start(accepted++ % 4 == 0 ? serve_late : serve, (void *)(intptr_t)fd));
		} else if (closing && left == 0) {
			break;
		}
	}
	dprintf(STDOUT_FILENO, "{\"orphans\":0,\"oneway\":%u,\"again\":%u,\"crossed\":%u,\"bad\":%u}\n", oneway, again,
		crossed, bad);
	return 0;
}

/* What the client was asked for. */
static struct {
	struct sockaddr_in address;
	struct header header;
	unsigned first, count, parallel, seconds;
	bool until;
	uint64_t started;
	unsigned next;
	FILE *reports;
} wanted;

static bool more(struct header *header)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = wanted.next < wanted.count && !(wanted.until && bad > 0) &&
	      (wanted.seconds == 0 || now_ms() - wanted.started < wanted.seconds * 1000ull);
	*header = wanted.header;
	header->index = wanted.first + wanted.next;
	wanted.next += yes;
	pthread_mutex_unlock(&lock);
	return yes;
}

static void report(const char *line)
{
	pthread_mutex_lock(&lock);
	fprintf(wanted.reports, "%s%s", bad++ > 0 ? "," : "", line);
	pthread_mutex_unlock(&lock);
}

static void one(const struct header *header)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;
	struct plan plan;
	struct wire wire;
	char line[512];

	error = connect(fd, (void *)&wanted.address, sizeof(wanted.address)) < 0 ? errno : 0;
	no_delay(fd);
	if (!error && send(fd, header, sizeof(*header), MSG_NOSIGNAL) != sizeof(*header))
		error = errno;
	if (error) {
		close(fd);
		count(&refused);
		snprintf(line, sizeof(line),
			 "{\"damage\":\"lost\",\"kind\":\"connect\",\"role\":\"client\",\"family\":\"%s\",\"index\":%u,"
			 "\"error\":\"%s\"}",
			 family_name(header->family), header->index, strerrorname_np(error));
		report(line);
		return;
	}
	plan_make(&plan, header);
	wire_open(&wire, fd, CLIENT, &plan, header->plain);
	wire_run(&wire);
	wire_close(&wire);
	add(&again, wire.again);
	count(&streams);
	if (wire_verdict(&wire)) {
		wire_report(&wire, header, line, sizeof(line));
		report(line);
	} else if (plan.ending == ONEWAY) {
		count(&oneway);
	}
}

static void *work(void *argument)
{
	struct header header;

	while (more(&header))
		one(&header);
	return argument;
}

static int client(const char *host, const char *port, char **arguments)
{
	unsigned values[7];
	char *reports = NULL;
	size_t size = 0;
	int family = family_by_name(arguments[0]);
	pthread_t *threads;

	if (family < 0)
		return 2;
	for (int i = 0; i < 7; i++)
		values[i] = strtoul(arguments[1 + i], NULL, 10);
	wanted.address.sin_family = AF_INET;
	wanted.address.sin_port = htons(atoi(port));
	inet_pton(AF_INET, host, &wanted.address.sin_addr);
	memcpy(wanted.header.magic, MAGIC, sizeof(wanted.header.magic));
	wanted.header.family = family;
	wanted.header.seed = values[0];
	wanted.first = values[1];
	wanted.count = values[2];
	wanted.parallel = values[3];
	wanted.seconds = values[4];
	wanted.header.plain = values[5];
	wanted.until = values[6];
	wanted.started = now_ms();
	wanted.reports = open_memstream(&reports, &size);
	threads = calloc(wanted.parallel, sizeof(*threads));
	for (unsigned i = 0; i < wanted.parallel; i++)
		threads[i] = (pthread_t)start(work, NULL);
	for (unsigned i = 0; i < wanted.parallel; i++)
		pthread_join(threads[i], NULL);
	fclose(wanted.reports);
	printf("{\"streams\":%u,\"oneway\":%u,\"refused\":%u,\"again\":%u,\"bad\":[%s]}\n", streams, oneway, refused,
	       again, reports);
	return 0;
}

int main(int count, char **arguments)
{
	bool is_client = count == 13 && strcmp(arguments[1], "client") == 0;
	sigset_t terminate;

	if (!is_client && count != 4)
		return 2;
	sigemptyset(&terminate);
	sigaddset(&terminate, SIGTERM);
	if (!is_client)
		sigprocmask(SIG_BLOCK, &terminate, NULL);
	limit_ms = strtoul(arguments[is_client ? 4 : 3], NULL, 10);
	ramp_fill();
	watch(limit_ms);
	if (!is_client)
		return server(atoi(arguments[2]));
	return client(arguments[2], arguments[3], arguments + 5);
}
