/* Ends that wait in the calls that read and write. None of these calls may answer EAGAIN, but that of a thread in a
 * sockmap that another thread wakes when it gets room to send, or half-closes: see docs/hazards.md. */
#define _GNU_SOURCE
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end, with one thread or two. */
struct blocking {
	struct wire *wire;
	int pipe[2]; /* for splice */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int read_steps; /* so many steps have been read to their end */
};

static ssize_t spliced(struct wire *wire, const int *pipe)
{
	ssize_t length = splice(wire->fd, NULL, pipe[1], NULL, wire->buffer_bytes, SPLICE_F_MOVE);

	return length <= 0 ? length : read(pipe[0], wire->buffer, length);
}

static bool read_to(struct blocking *end, uint64_t target, bool to_end)
{
	struct wire *wire = end->wire;
	enum reader reader = wire->plan->reader[wire->role];
	bool splices = reader == SPLICE;

	while (!wire->over && !wire->hung && !wire->ended && (wire->in.bytes < target || to_end)) {
		ssize_t length =
			splices ? spliced(wire, end->pipe) : recv(wire->fd, wire->buffer, wire->buffer_bytes, 0);

		if (length < 0 && errno == EAGAIN && reader == THREADS && !wire->plain)
			wire->again++;
		else if (length < 0 && errno == EAGAIN)
			wire_fail(wire, "wrong", splices ? "blocking splice" : "blocking recv", errno);
		else
			wire_got(wire, length, wire->buffer, splices ? "splice" : "recv");
	}
	return !wire->over && !wire->hung && wire->in.bytes >= target;
}

static bool send_to(struct wire *wire, uint64_t target)
{
	while (!wire->over && !wire->hung && wire->sent < target)
		wire_send(wire, target, true);
	return !wire->over && !wire->hung;
}

/* The thread that reads. */
static void *read_all(void *argument)
{
	struct blocking *end = argument;
	struct wire *wire = end->wire;
	struct progress at = PROGRESS_BEGIN;
	bool whole = true;

	while (whole && progress_next(&at, wire)) {
		be_away(wire, at.step);
		whole = read_to(end, at.read_to, reads_end_in(wire, at.step));
		pthread_mutex_lock(&end->lock);
		end->read_steps = whole ? at.step + 1 : wire->plan->count; /* nobody waits for what will not be */
		pthread_cond_signal(&end->changed);
		pthread_mutex_unlock(&end->lock);
	}
	if (whole && !closes_first(wire))
		read_to(end, at.read_to, true);
	return NULL;
}

/* And the one that writes, and says that nothing more comes while the other may wait for what does. */
static void write_all(struct blocking *end)
{
	struct wire *wire = end->wire;
	struct progress at = PROGRESS_BEGIN;
	bool whole = true, finished = false;

	while (whole && progress_next(&at, wire)) {
		pthread_mutex_lock(&end->lock);
		while (end->read_steps < at.step)
			pthread_cond_wait(&end->changed, &end->lock);
		pthread_mutex_unlock(&end->lock);
		whole = send_to(wire, at.send_to);
		if (whole && finishes_in(wire, at.step)) {
			shutdown(wire->fd, SHUT_WR);
			finished = true;
		}
	}
	pthread_mutex_lock(&end->lock);
	while (whole && end->read_steps < wire->plan->count)
		pthread_cond_wait(&end->changed, &end->lock);
	pthread_mutex_unlock(&end->lock);
	if (!finished && !closes_first(wire))
		shutdown(wire->fd, SHUT_WR);
}

static void run_in_turns(struct blocking *end)
{
	struct wire *wire = end->wire;
	struct progress at = PROGRESS_BEGIN;
	bool whole = true;

	while (whole && progress_next(&at, wire)) {
		whole = send_to(wire, at.send_to);
		if (whole && finishes_in(wire, at.step))
			shutdown(wire->fd, SHUT_WR);
		be_away(wire, at.step);
		whole = whole && read_to(end, at.read_to, reads_end_in(wire, at.step));
	}
	if (!whole || closes_first(wire))
		return;
	shutdown(wire->fd, SHUT_WR);
	read_to(end, at.read_to, true);
}

void run_blocking(struct wire *wire)
{
	struct blocking end = { .wire = wire, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	enum reader reader = wire->plan->reader[wire->role];
	pthread_t thread;

	if (reader == THREADS) {
		pthread_create(&thread, NULL, read_all, &end);
		write_all(&end);
		pthread_join(thread, NULL);
		return;
	}
	if (reader == SPLICE && pipe2(end.pipe, O_CLOEXEC) < 0)
		return wire_fail(wire, "wrong", "pipe", errno);
	run_in_turns(&end);
	if (reader == SPLICE) {
		close(end.pipe[0]);
		close(end.pipe[1]);
	}
}
