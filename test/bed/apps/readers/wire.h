/* One end of one stream: how far it is, and what went wrong. */
#ifndef WIRE_H
#define WIRE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include "plan.h"
#include "ramp.h"

struct wire {
	int fd;
	enum role role;
	const struct plan *plan;
	bool plain;
	struct checker in;
	uint64_t sent;
	bool ended;       /* nothing more will come */
	unsigned again;   /* so many reads of a thread had to be repeated */
	atomic_bool over; /* it failed */
	atomic_bool hung;
	const char *damage;
	char error[64];
	uint8_t *buffer;
	size_t buffer_bytes;
	_Atomic uint64_t moved_ms;
	struct wire *next; /* in the list of those that are watched */
};

uint64_t now_ms(void);
/* Begins to watch all wires: one on which nothing moves for so long has hung, and its socket is shut down so that
 * whoever waits wakes up. */
void watch(unsigned limit_ms);
void wire_open(struct wire *wire, int fd, enum role role, const struct plan *plan, bool plain);
void wire_close(struct wire *wire);
/* The first to fail is kept. `call` and `error` say what it was that failed. */
void wire_fail(struct wire *wire, const char *damage, const char *call, int error);
/* Takes what a call that reads has answered: bytes, 0 for the end, -1 with errno. EAGAIN is the caller's. */
void wire_got(struct wire *wire, ssize_t length, const uint8_t *bytes, const char *call);
/* Sends the next bytes, up to `target`, in one call. False when there is no room. A socket that blocks always has some.
 */
bool wire_send(struct wire *wire, uint64_t target, bool blocks);
/* The kind of damage, or NULL. */
const char *wire_verdict(const struct wire *wire);

/* Whether some of what was read was redirected, and some came through the stack. Only the stack's bytes are in
 * TCP_INFO. */
bool wire_crossed(const struct wire *wire);
/* Says so, in one line of JSON. */
void wire_report(const struct wire *wire, const struct header *header, char *line, size_t size);

/* Runs an end as its plan wants it, to the close. */
void wire_run(struct wire *wire);
#endif
