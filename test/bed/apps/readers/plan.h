/* What a stream does, step by step, from a seed and its number: both ends make the same plan of the header that the
 * client sends first. */
#ifndef PLAN_H
#define PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How an end reads. The first ones wait in epoll, the others in the call that reads. */
enum reader {
	LEVEL,      /* level-triggered, one read for each event */
	EDGE,       /* edge-triggered, until EAGAIN */
	SHORT,      /* edge-triggered; a short read is the last one before the next edge (tokio, older nginx) */
	FIONREAD_0, /* edge-triggered; nothing more until the next edge when FIONREAD says 0 (nginx) */
	HANGUP,   /* level-triggered; a short read together with EPOLLRDHUP is the end of the stream (HAProxy, libuv) */
	PEEK,     /* looks with MSG_PEEK, then reads */
	PIECES,   /* readv of small pieces */
	BLOCKING, /* one thread that writes, then reads */
	THREADS,  /* one thread that writes, one that reads, again after EAGAIN if it is not surely plain TCP */
	SPLICE,   /* splice(2), in one thread; on plain TCP only */
	READERS,
};

/* How it ends, when all was said. */
enum ending {
	CLIENT_FIN,   /* the client half-closes and waits for the end */
	CLIENT_CLOSE, /* the client closes */
	SERVER_CLOSE, /* the server closes */
	REQUEST,      /* the client sends the last of it and half-closes at once; then the server answers, and closes */
	ONEWAY,       /* the client sends the last of it and closes at once */
	ENDINGS,
};

enum role { CLIENT, SERVER };

#define MAX_STEPS 64

/* What each end sends in a step. It goes on to the next when it has sent its part and has got the other's; each may
 * read nothing at first. */
struct step {
	uint32_t bytes[2];   /* by the role of who sends */
	uint32_t away_ms[2]; /* by the role of who reads */
};

struct plan {
	enum reader reader[2];
	enum ending ending;
	uint32_t start[2];       /* of the bytes that this role sends, in the ramp */
	uint32_t write_bytes[2]; /* the longest single write */
	uint32_t read_bytes[2];  /* and read */
	struct step steps[MAX_STEPS];
	int count;
	int last_of_client; /* behind this step the client half-closes, or closes; -1: not before the end */
};

/* What the client says first. */
struct header {
	char magic[8];
	uint32_t seed;
	uint32_t index;
	uint8_t family;
	uint8_t plain; /* whether both ends are surely plain TCP, and in no sockmap */
	uint8_t spare[6];
};

#define MAGIC "mbreader"

extern const char *const READER_NAMES[READERS];
extern const char *const ENDING_NAMES[ENDINGS];
/* -1 if there is none of that name */
int family_by_name(const char *name);
/* NULL if there is no such family */
const char *family_name(int family);

void plan_make(struct plan *plan, const struct header *header);
uint64_t plan_total(const struct plan *plan, enum role sender);
static inline bool in_epoll(enum reader reader)
{
	return reader < BLOCKING;
}
#endif
