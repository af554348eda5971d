#include "ramp.h"
#include <stdlib.h>
#include <string.h>

#define WORDS 8388593u /* prime: no lost block of a power of two goes unseen */
#define PERIOD (WORDS * 4u)
#define FACTOR 0x9e3779b1u
#define INVERSE 0xe8b2f51u /* FACTOR * INVERSE is 1 modulo 2^32 */
#define DECODABLE 11       /* two whole words, at any alignment */

static uint32_t words[WORDS + MAX_PIECE / 4];

void ramp_fill(void)
{
	for (uint32_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		words[i] = i % WORDS * FACTOR;
}

uint32_t ramp_start(uint32_t hash)
{
	return hash % WORDS * 4;
}

const uint8_t *ramp_piece(uint32_t start, uint64_t offset)
{
	return (const uint8_t *)words + (start + offset) % PERIOD;
}

void checker_init(struct checker *check, uint32_t start, uint64_t total)
{
	*check = (struct checker){ .start = start, .total = total, .wrong_at = -1, .gap = -1 };
}

/* How many bytes continue the stream. Beyond its end none do. */
static size_t right_bytes(const struct checker *check, const uint8_t *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		uint64_t offset = check->bytes + check->skew + at;
		size_t part = length - at;
		const uint8_t *wanted;

		if (offset >= check->total)
			return at;
		if (part > MAX_PIECE)
			part = MAX_PIECE;
		if (part > check->total - offset)
			part = check->total - offset;
		wanted = ramp_piece(check->start, offset);
		if (memcmp(bytes + at, wanted, part) != 0) {
			size_t same = 0;

			while (bytes[at + same] == wanted[same])
				same++;
			return at + same;
		}
		at += part;
	}
	return at;
}

/* The position in the stream that the first byte was sent at, the one next to `expected`; -1 if these are no bytes of
 * the ramp. */
static int64_t position_of(const uint8_t *bytes, uint32_t start, int64_t expected)
{
	for (int shift = 0; shift < 4; shift++) {
		uint32_t word, next;
		int64_t position, rounds;

		memcpy(&word, bytes + shift, 4);
		memcpy(&next, bytes + shift + 4, 4);
		word *= INVERSE;
		next *= INVERSE;
		if (word >= WORDS || next != (word + 1) % WORDS)
			continue;
		position = (int64_t)word * 4 - shift - start;
		rounds = (expected - position + PERIOD / 2) / PERIOD;
		if (expected - position + (int64_t)(PERIOD / 2) < 0)
			rounds--;
		return position + rounds * (int64_t)PERIOD;
	}
	return -1;
}

/* Finds where the stream goes on, after a wrong byte; false if that cannot be told. */
static bool resume(struct checker *check, const uint8_t *bytes)
{
	int64_t expected = check->bytes + check->skew;
	int64_t found = position_of(bytes, check->start, expected);

	if (found < 0 || (uint64_t)found >= check->total || found == expected) {
		if (!check->damage)
			check->damage = "wrong";
		return false;
	}
	/* A few bytes at the edge of a gap may be the same by chance. */
	if (check->gap >= 0 && llabs(found - check->gap) < 4) {
		check->damage = "reordered";
	} else if (found > expected) {
		if (check->gap < 0)
			check->gap = expected;
		if (!check->damage)
			check->damage = "lost";
	} else if (check->gap < 0 && !check->damage) {
		check->damage = "doubled";
	}
	check->skew = found - (int64_t)check->bytes;
	return true;
}

static void take(struct checker *check, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		size_t right = right_bytes(check, bytes, length);

		check->bytes += right;
		bytes += right;
		length -= right;
		if (length == 0)
			return;
		if (check->wrong_at < 0)
			check->wrong_at = check->bytes;
		if (length < DECODABLE) {
			memcpy(check->undecided, bytes, length);
			check->undecided_bytes = length;
			check->bytes += length;
			return;
		}
		if (!resume(check, bytes)) {
			check->bytes += length;
			return;
		}
	}
}

void checker_take(struct checker *check, const uint8_t *bytes, size_t length)
{
	size_t before = check->undecided_bytes;
	uint8_t *joined;

	if (before == 0)
		return take(check, bytes, length);
	joined = malloc(before + length);
	memcpy(joined, check->undecided, before);
	memcpy(joined + before, bytes, length);
	check->bytes -= before;
	check->undecided_bytes = 0;
	take(check, joined, before + length);
	free(joined);
}

const char *checker_verdict(const struct checker *check)
{
	if (check->wrong_at >= 0)
		return check->damage ? check->damage : "wrong";
	return check->bytes < check->total ? "lost" : NULL;
}
