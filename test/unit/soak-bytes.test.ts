/** The checker of the soak's streams: it has to tell every kind of damage, wherever reads are cut. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

interface Checker {
  readonly bytes: number;
  readonly wrongAt: number;
  take(chunk: Buffer): void;
  verdict(whole: boolean): string | null;
}
interface Ramp {
  readonly Checker: new (start: number, total: number) => Checker;
  startOf(hash: number): number;
  piece(start: number, offset: number, length: number): Buffer;
}

const TOTAL = 100_000;
/** How long reads are: shorter than a word, odd, long, everything at once. */
const READS = [3, 1001, 65_536, 2 * TOTAL];

async function check(make: (right: Buffer, foreign: Buffer) => Buffer): Promise<Checker[]> {
  const { Checker, piece, startOf } = (await import(join(__dirname, '..', 'bed', 'apps', 'soak', 'ramp.mjs'))) as Ramp;
  // One begins where the ramp begins, one goes over its end.
  return [0, 8388593 - 5000].flatMap(hash =>
    READS.map(length => {
      const start = startOf(hash);
      const bytes = make(Buffer.from(piece(start, 0, TOTAL)), Buffer.from(piece(startOf(1e6), 0, TOTAL)));
      const checker = new Checker(start, TOTAL);
      for (let at = 0; at < bytes.length; at += length) checker.take(bytes.subarray(at, at + length));
      return checker;
    }),
  );
}

const is = (checkers: readonly Checker[], damage: string | null, wrongAt: number, whole = true): void => {
  for (const checker of checkers) {
    assert.equal(checker.verdict(whole), damage);
    // The first bytes of what does not belong there may be right by chance.
    assert.ok(
      checker.wrongAt >= wrongAt && checker.wrongAt < wrongAt + (wrongAt < 0 ? 1 : 4),
      `wrong at ${checker.wrongAt}, not ${wrongAt}`,
    );
  }
};

test('a whole stream is right; a beginning is right only where that is enough', async () => {
  is(await check(right => right), null, -1);
  is(await check(right => right.subarray(0, 12_345)), null, -1, false);
  is(await check(right => right.subarray(0, 12_345)), 'lost', -1);
});

test('bytes that are missing', async () => {
  for (const missing of [1, 2, 3, 4, 4096, 65_536])
    is(
      await check(right => Buffer.concat([right.subarray(0, 10_001), right.subarray(10_001 + missing)])),
      'lost',
      10_001,
    );
});

test('bytes that come later than those behind them', async () => {
  is(
    await check(right =>
      Buffer.concat([
        right.subarray(0, 777),
        right.subarray(5000, 9000),
        right.subarray(777, 5000),
        right.subarray(9000),
      ]),
    ),
    'reordered',
    777,
  );
  is(await check(right => Buffer.concat([right.subarray(50), right.subarray(0, 50)])), 'reordered', 0);
});

test('bytes that come twice', async () => {
  is(await check(right => Buffer.concat([right.subarray(0, 8000), right.subarray(6000)])), 'doubled', 8000);
  is(await check(right => Buffer.concat([right, right.subarray(TOTAL - 100)])), 'doubled', TOTAL);
});

test('bytes that were never sent, and those of another stream', async () => {
  is(
    await check(right => {
      right.writeUInt8(right.readUInt8(500) ^ 1, 500);
      return right;
    }),
    'wrong',
    500,
  );
  is(await check((right, foreign) => Buffer.concat([right.subarray(0, 400), foreign.subarray(400)])), 'wrong', 400);
});
