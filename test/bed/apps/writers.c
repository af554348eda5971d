/*
 * Several writers on one blocking socket.
 *
 *   writers serve PORT STALL_MS
 *   writers threads|processes HOST PORT BYTES PAUSE_US
 *
 * WRITERS threads, or processes that got the socket by SCM_RIGHTS, send BYTES each. Then the socket is half-closed and the answer read.
 *
 * TCP lets writers in between when one waits for room, so their bytes mix. Each byte says whose it is in its two upper bits, and counts in the
 * others: every writer's own bytes must come whole and in order, however they are mixed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 4
/* Prime: what is lost or moved is seldom a multiple of it. */
#define PERIOD 61
#define RECORD 1000
#define STALL_AFTER 500000

static long bytes;
static int pause_us;
static int connection;

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_share(int fd, int writer)
{
	unsigned char record[RECORD];
	unsigned int seed = writer;
	unsigned long count = 0;

	for (long left = bytes; left > 0;) {
		int size = left < RECORD ? left : RECORD;

		for (int i = 0; i < size; i++)
			record[i] = writer << 6 | count++ % PERIOD;
		for (int sent = 0; sent < size;) {
			ssize_t n = send(fd, record + sent, size - sent, MSG_NOSIGNAL);

			if (n < 0)
				fail("send");
			sent += n;
		}
		left -= size;
		if (pause_us && rand_r(&seed) % 64 == 0)
			usleep(pause_us);
	}
}

static void *thread(void *writer)
{
	send_share(connection, (long)writer);
	return NULL;
}

static void write_by_threads(void)
{
	pthread_t threads[WRITERS];

	for (long i = 0; i < WRITERS; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)i))
			fail("pthread_create");
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
}

union rights {
	char buffer[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct msghdr rights_message(struct iovec *iov, union rights *rights)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = sizeof(*rights) };

	return message;
}

static void hand_over(int pipe, int fd)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	union rights rights = {};
	struct msghdr message = rights_message(&iov, &rights);
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	if (sendmsg(pipe, &message, 0) != 1)
		fail("sendmsg");
}

static int take_over(int pipe)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union rights rights = {};
	struct msghdr message = rights_message(&iov, &rights);
	int fd;

	if (recvmsg(pipe, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		fail("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* They are there before the connection is: it reaches them by SCM_RIGHTS alone. */
static void start_processes(int pipes[WRITERS])
{
	for (int i = 0; i < WRITERS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			fail("socketpair");
		switch (fork()) {
		case -1:
			fail("fork");
		case 0:
			close(pair[0]);
			send_share(take_over(pair[1]), i);
			exit(0);
		}
		close(pair[1]);
		pipes[i] = pair[0];
	}
}

static void write_by_processes(const int pipes[WRITERS])
{
	for (int i = 0; i < WRITERS; i++)
		hand_over(pipes[i], connection);
	while (wait(NULL) > 0)
		;
}

static struct sockaddr_in endpoint(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (host && inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail(host);
	return address;
}

static void write_all(bool processes, const char *host, const char *port)
{
	struct sockaddr_in address = endpoint(host, port);
	int pipes[WRITERS];
	char answer[200];
	size_t length = 0;
	ssize_t n;

	if (processes)
		start_processes(pipes);
	connection = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(connection, (void *)&address, sizeof(address)))
		fail("connect");
	if (processes)
		write_by_processes(pipes);
	else
		write_by_threads();
	if (shutdown(connection, SHUT_WR))
		fail("shutdown");
	while (length < sizeof(answer) && (n = read(connection, answer + length, sizeof(answer) - length))) {
		if (n < 0)
			fail("read");
		length += n;
	}
	printf("%.*s\n", (int)length, length ? answer : "no answer");
}

static void read_all(int fd, int stall_ms)
{
	static unsigned char buffer[1 << 16];
	unsigned long counts[WRITERS] = {}, wrong = 0, total = 0;
	char answer[200];
	ssize_t n;
	int length;

	while ((n = recv(fd, buffer, sizeof(buffer), 0))) {
		if (n < 0)
			fail("the server: recv");
		for (ssize_t i = 0; i < n; i++) {
			unsigned long *count = &counts[buffer[i] >> 6];

			if ((buffer[i] & 63) != *count % PERIOD) {
				*count = buffer[i] & 63; /* goes on from here */
				wrong++;
			}
			++*count;
		}
		if (stall_ms && total < STALL_AFTER && total + n >= STALL_AFTER)
			usleep(stall_ms * 1000);
		total += n;
	}
	length = snprintf(answer, sizeof(answer), "%lu wrong %lu", total, wrong);
	if (send(fd, answer, length, MSG_NOSIGNAL) != length)
		fail("the server: send");
}

static void serve(const char *port, int stall_ms)
{
	struct sockaddr_in address = endpoint(NULL, port);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 64))
		fail("listen");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fork() == 0) {
			read_all(fd, stall_ms);
			exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], atoi(argv[3]));
	if (argc != 6)
		return 2;
	bytes = atol(argv[4]);
	pause_us = atoi(argv[5]);
	write_all(!strcmp(argv[1], "processes"), argv[2], argv[3]);
	return 0;
}
