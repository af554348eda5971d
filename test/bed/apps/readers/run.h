/* What both ways of running an end share. */
#ifndef RUN_H
#define RUN_H
#include "wire.h"

void run_in_epoll(struct wire *wire);
void run_blocking(struct wire *wire);

/* Goes through an end's steps: what has to have been sent and read when each is over. */
struct progress {
	int step; /* plan->count: the time after the last one */
	uint64_t send_to;
	uint64_t read_to;
};

/* False when there is no further step. */
static inline bool progress_next(struct progress *at, const struct wire *wire)
{
	const struct plan *plan = wire->plan;

	if (++at->step >= plan->count)
		return false;
	at->send_to += plan->steps[at->step].bytes[wire->role];
	at->read_to += plan->steps[at->step].bytes[!wire->role];
	return true;
}

#define PROGRESS_BEGIN ((struct progress){ .step = -1 })

static inline bool is_last_of_client(const struct plan *plan, int step)
{
	return step == plan->last_of_client;
}

/* An end that reads up to the end of the stream in this step: a server does before it answers the last request. */
static inline bool reads_end_in(const struct wire *wire, int step)
{
	return wire->role == SERVER && wire->plan->ending == REQUEST && is_last_of_client(wire->plan, step);
}

/* An end that says in this step that nothing more comes. */
static inline bool finishes_in(const struct wire *wire, int step)
{
	return wire->role == CLIENT && wire->plan->ending == REQUEST && is_last_of_client(wire->plan, step);
}

/* An end that closes without waiting for the other's end. */
static inline bool closes_first(const struct wire *wire)
{
	enum ending ending = wire->plan->ending;

	if (wire->role == CLIENT)
		return ending == CLIENT_CLOSE || ending == ONEWAY;
	return ending == SERVER_CLOSE || ending == REQUEST;
}

/* Stays away from the socket, if the step says so. */
void be_away(struct wire *wire, int step);
#endif
