/* The bytes of ../soak/ramp.mjs: 32-bit counters, and a checker that tells what happened to the first wrong one. */
#ifndef RAMP_H
#define RAMP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest piece that ramp_piece() gives. */
#define MAX_PIECE (1 << 20)

void ramp_fill(void);
/* Where in the ramp a direction begins: any number will do. */
uint32_t ramp_start(uint32_t hash);
/* Bytes of the stream that begins at `start`, from its byte `offset` on, MAX_PIECE of them. */
const uint8_t *ramp_piece(uint32_t start, uint64_t offset);

/* As the class Checker of ramp.mjs. */
struct checker {
	uint32_t start;
	uint64_t total;
	uint64_t bytes;
	int64_t wrong_at; /* -1 while all are right */
	const char *damage;
	int64_t skew; /* where the stream seems to be, minus how much of it arrived */
	int64_t gap;  /* where what was skipped first began, -1: nothing was */
	uint8_t undecided[16];
	size_t undecided_bytes;
};

void checker_init(struct checker *check, uint32_t start, uint64_t total);
void checker_take(struct checker *check, const uint8_t *bytes, size_t length);
/* NULL, or the kind of damage that bed/streams/tally.ts knows. */
const char *checker_verdict(const struct checker *check);
#endif
