/** Records as the kernel lays them out, and rings that are not what they should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordAt } from '../../src/bpf/maps/ring-layout';

const header = (word: number, room = 32): Buffer => {
  const bytes = Buffer.alloc(room);
  bytes.writeUInt32LE(word >>> 0, 0);
  return bytes;
};

test('a record takes its header and its length, rounded up to eight bytes', () => {
  assert.deepEqual(recordAt(header(1), 0, 4096), { start: 8, length: 1, discarded: false, end: 16 });
  assert.deepEqual(recordAt(header(8), 0, 4096), { start: 8, length: 8, discarded: false, end: 16 });
  assert.deepEqual(recordAt(header(9), 0, 4096), { start: 8, length: 9, discarded: false, end: 24 });
  assert.deepEqual(recordAt(header(24), 0, 4096), { start: 8, length: 24, discarded: false, end: 32 });
});

test('one that a program discarded, and one that it still writes', () => {
  assert.deepEqual(recordAt(header(0x4000_0008), 0, 4096), { start: 8, length: 8, discarded: true, end: 16 });
  assert.equal(recordAt(header(0x8000_0008), 0, 4096), 'busy');
  assert.equal(recordAt(header(0xc000_0008), 0, 4096), 'busy');
});

test('one that is cut off says how much is needed', () => {
  assert.deepEqual(recordAt(header(25), 0, 4096), { cut: 40 });
  assert.deepEqual(recordAt(header(8, 4), 0, 4096), { cut: 8 });
  assert.deepEqual(recordAt(header(8), 32, 4096), { cut: 40 });
});

test('one that no ring of this size can hold', () => {
  assert.equal(recordAt(header(0x3fff_ffff), 0, 4096), 'damaged');
  assert.equal(recordAt(header(4089), 0, 4096), 'damaged');
  assert.deepEqual(recordAt(header(4088), 0, 4096), { cut: 4096 });
});
