#include "plan.h"
#include <math.h>
#include <string.h>
#include "ramp.h"

const char *const READER_NAMES[READERS] = { "level", "edge",   "short",    "fionread", "hangup",
					    "peek",  "pieces", "blocking", "threads",  "splice" };
const char *const ENDING_NAMES[ENDINGS] = { "fin", "close", "served", "request", "oneway" };

#define KB 1000u
#define MB 1000000u

/* readers: all of it at random; lifetime: a connection of a pool; crossing: what makes a connection change from the
 * psock to the stack; blocking: what may wake a thread that waits in recv(2) for nothing. */
enum family { ANY_READERS, LIFETIME, CROSSING, BLOCKED, FAMILIES };
static const char *const FAMILY_NAMES[FAMILIES] = { "readers", "lifetime", "crossing", "blocking" };

int family_by_name(const char *name)
{
	for (int family = 0; family < FAMILIES; family++)
		if (strcmp(FAMILY_NAMES[family], name) == 0)
			return family;
	return -1;
}

const char *family_name(int family)
{
	return family < FAMILIES ? FAMILY_NAMES[family] : NULL;
}

/* A plan in the making, and the generator that decides (splitmix32). */
struct making {
	struct plan *plan;
	uint32_t state;
};

static uint32_t next(struct making *making)
{
	uint32_t z = making->state += 0x9e3779b9;

	z = (z ^ (z >> 16)) * 0x21f0aaad;
	z = (z ^ (z >> 15)) * 0x735a2d97;
	return z ^ (z >> 15);
}

static uint32_t below(struct making *making, uint32_t most)
{
	return next(making) % most;
}

/* As many sizes of each magnitude. */
static uint32_t between(struct making *making, uint32_t least, uint32_t most)
{
	double place = next(making) / 4294967296.0;

	return (uint32_t)(least * exp(place * log((double)most / least)));
}

static struct step *add(struct making *making, uint32_t up, uint32_t down)
{
	struct step *step = &making->plan->steps[making->plan->count++];

	*step = (struct step){ .bytes = { [CLIENT] = up, [SERVER] = down } };
	return step;
}

static void chat(struct making *making)
{
	for (uint32_t rounds = 1 + below(making, 4); rounds > 0; rounds--) {
		add(making, between(making, 1, 2 * KB), 0);
		add(making, 0, between(making, 1, 2 * KB));
	}
}

/* Much from one end to the other, who is away at first. */
static void bulk(struct making *making, uint32_t least, uint32_t most, uint32_t away_ms)
{
	enum role sender = below(making, 2);
	struct step *step = add(making, 0, 0);

	step->bytes[sender] = between(making, least, most);
	step->away_ms[!sender] = away_ms;
}

/* Much both ways at once. Two ends that write before they read would wait for each other for ever: they take turns. */
static void both(struct making *making, uint32_t least, uint32_t most)
{
	const struct plan *plan = making->plan;
	uint32_t up = between(making, least, most), down = between(making, least, most);
	bool turns = true;

	for (enum role role = CLIENT; role <= SERVER; role++)
		if (in_epoll(plan->reader[role]) || plan->reader[role] == THREADS)
			turns = false;
	add(making, up, turns ? 0 : down);
	if (turns)
		add(making, 0, down);
}

static void any(struct making *making)
{
	for (uint32_t acts = 1 + below(making, 4); acts > 0; acts--) {
		switch (below(making, 4)) {
		case 0:
			chat(making);
			break;
		case 1:
			bulk(making, 64 * KB, 6 * MB, 0);
			break;
		case 2:
			bulk(making, 256 * KB, 8 * MB, 10 + below(making, 250));
			break;
		default:
			both(making, 64 * KB, 4 * MB);
		}
	}
}

static void lifetime(struct making *making)
{
	chat(making);
	bulk(making, MB, 8 * MB, 0);
	chat(making);
	bulk(making, 8 * MB, 16 * MB, 200 + below(making, 600));
	if (below(making, 3) == 0)
		both(making, MB, 4 * MB);
	else
		bulk(making, MB, 8 * MB, 0);
	chat(making);
}

/* What was redirected is unread while more than the limit is sent. */
static void crossing(struct making *making)
{
	add(making, between(making, 1500 * KB, 4 * MB), 0)->away_ms[SERVER] = 30 + below(making, 70);
}

/* A reader that comes from sending, or goes to its end: more than a socket holds, at once and before anything was read;
 * or some both ways. */
static void blocked(struct making *making)
{
	if (below(making, 2)) {
		add(making, MAX_PIECE + between(making, 1, 1 * MB), 0);
		add(making, 0, between(making, 1, 1 * MB));
	} else {
		both(making, 32 * KB, 500 * KB);
	}
}

/* One of the ends blocks, or both do. */
static void block(struct making *making)
{
	enum role role = below(making, 2);

	making->plan->reader[role] = BLOCKING;
	making->plan->reader[!role] = below(making, 2) ? BLOCKING : below(making, BLOCKING);
	making->plan->write_bytes[CLIENT] = MAX_PIECE;
	making->plan->write_bytes[SERVER] = 4 * KB;
}

/* The last of what is said belongs to the ending. */
static void end(struct making *making, uint32_t last)
{
	struct plan *plan = making->plan;

	plan->last_of_client = -1;
	if (plan->ending != REQUEST && plan->ending != ONEWAY)
		return;
	if (last > 0)
		add(making, between(making, 1, last), 0);
	plan->last_of_client = plan->count - 1;
	if (plan->ending == REQUEST)
		add(making, 0, between(making, 1, 1 * MB));
}

void plan_make(struct plan *plan, const struct header *header)
{
	static const uint32_t WRITES[] = { 1 * KB, 4 * KB, 16 << 10, 64 << 10, 1 << 20 };
	static const uint32_t READS[] = { 4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10 };
	static const enum reader CROSSED[] = { SHORT, FIONREAD_0, HANGUP };
	struct making making = { .plan = plan, .state = header->seed ^ ((header->index + 1) * 0x85ebca6b) };

	plan->count = 0;
	for (enum role role = CLIENT; role <= SERVER; role++) {
		plan->start[role] = ramp_start(next(&making));
		plan->reader[role] = header->family == CROSSING ? CROSSED[below(&making, 3)]
								: below(&making, header->plain ? READERS : SPLICE);
		plan->write_bytes[role] = WRITES[below(&making, 5)];
		plan->read_bytes[role] = READS[below(&making, 5)];
	}
	plan->ending = below(&making, ENDINGS);
	switch (header->family) {
	case LIFETIME:
		lifetime(&making);
		end(&making, 2 * KB);
		break;
	case BLOCKED:
		block(&making);
		blocked(&making);
		end(&making, 2 * KB);
		break;
	case CROSSING:
		if (plan->ending == CLIENT_CLOSE || plan->ending == CLIENT_FIN)
			plan->ending = SERVER_CLOSE;
		crossing(&making);
		end(&making, 0);
		if (plan->ending == SERVER_CLOSE)
			add(&making, 0, between(&making, 1, 2 * KB));
		break;
	default:
		any(&making);
		end(&making, 1 * MB);
	}
}

uint64_t plan_total(const struct plan *plan, enum role sender)
{
	uint64_t total = 0;

	for (int i = 0; i < plan->count; i++)
		total += plan->steps[i].bytes[sender];
	return total;
}
