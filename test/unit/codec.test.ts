import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';

import {
  aligned,
  array,
  bytes,
  fixedString,
  fromBytes,
  ipAddress,
  oneOf,
  port,
  struct,
  toBytes,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u8,
  type Codec,
} from '../../src/codec';
import { InvalidAddressError } from '../../src/errors';

/** A generator of numbers that is the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('integers', () => {
  const cases: Array<[string, Codec<number>, number, number, string]> = [
    ['u8', u8, 0xff, 0xab, 'ab'],
    ['u16', u16, 0xffff, 0x1234, '3412'],
    ['u32', u32, 0xffff_ffff, 0x12345678, '78563412'],
    ['u16be', u16be, 0xffff, 0x1234, '1234'],
    ['u32be', u32be, 0xffff_ffff, 0x12345678, '12345678'],
    ['port', port, 0xffff, 15001, '3a99'],
  ];
  for (const [name, codec, max, value, hex] of cases) {
    it(`${name} has its byte order and its range`, () => {
      assert.equal(toBytes(codec, value).toString('hex'), hex);
      for (const good of [0, 1, max]) assert.equal(fromBytes(codec, toBytes(codec, good)), good);
      for (const bad of [-1, max + 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(() => toBytes(codec, bad), RangeError);
      }
      for (const bad of ['1', null, undefined, 1n])
        assert.throws(() => toBytes(codec, bad as unknown as number), TypeError);
    });
  }

  it('u64 is a bigint', () => {
    assert.equal(toBytes(u64, 0x0123456789abcdefn).toString('hex'), 'efcdab8967452301');
    assert.equal(fromBytes(u64, toBytes(u64, 2n ** 64n - 1n)), 2n ** 64n - 1n);
    assert.throws(() => toBytes(u64, 2n ** 64n), RangeError);
    assert.throws(() => toBytes(u64, -1n), RangeError);
    assert.throws(() => toBytes(u64, 1 as unknown as bigint), TypeError);
  });
});

describe('ipAddress', () => {
  it('stores IPv4 in its mapped form', () => {
    assert.equal(toBytes(ipAddress, '10.0.0.9').toString('hex'), '00000000000000000000ffff0a000009');
    assert.deepEqual(toBytes(ipAddress, '::ffff:10.0.0.9'), toBytes(ipAddress, '10.0.0.9'));
    assert.deepEqual(toBytes(ipAddress, '::FFFF:a00:9'), toBytes(ipAddress, '10.0.0.9'));
    assert.equal(fromBytes(ipAddress, toBytes(ipAddress, '::ffff:255.255.255.255')), '255.255.255.255');
  });

  it('writes over what was in the buffer', () => {
    for (const address of ['10.0.0.9', '::1', '::', 'fd00::9']) {
      const buf = Buffer.alloc(18, 0xee);
      ipAddress.encode(address, buf, 1);
      assert.deepEqual(buf.subarray(1, 17), toBytes(ipAddress, address));
      assert.equal(buf[0], 0xee);
      assert.equal(buf[17], 0xee);
    }
  });

  it('writes IPv6 as RFC 5952 says', () => {
    const cases: Array<[string, string]> = [
      ['::', '::'],
      ['::1', '::1'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['1::', '1::'],
      ['2001:DB8::0001', '2001:db8::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
      ['0:2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
      ['::1.2.3.4', '::102:304'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ];
    for (const [given, expected] of cases)
      assert.equal(fromBytes(ipAddress, toBytes(ipAddress, given)), expected, given);
  });

  it('refuses what is no address, with a stable code', () => {
    const bad: unknown[] = [
      '',
      ' ',
      '10.0.0',
      '10.0.0.256',
      '10.0.0.0.1',
      '010.0.0.1',
      '10.0.0.01',
      '1.2.3.',
      '.1.2.3',
      '1..2.3',
      '10.0.0.9/32',
      '10.0.0.9:80',
      ' 10.0.0.9',
      '10.0.0.9\n',
      '١.2.3.4',
      ':::',
      '1::2::3',
      'fe80::1%eth0',
      '[::1]',
      '12345::',
      '::ffff:10.0.0.256',
      'localhost',
      null,
      undefined,
      42,
      {},
      '1.2.3.4'.repeat(100),
      '00.0.0.0',
      '-1.2.3.4',
      '1e1.2.3.4',
    ];
    for (const input of bad) {
      assert.throws(
        () => toBytes(ipAddress, input as string),
        (error: unknown) =>
          error instanceof InvalidAddressError &&
          error.code === 'ERR_BPF_INVALID_ADDRESS' &&
          error.input === input &&
          error.hint !== undefined,
        String(input),
      );
    }
  });

  it('agrees with node:net about random texts', () => {
    const next = generator(7);
    const alphabet = '0123456789.:abf%';
    for (let i = 0; i < 20_000; i++) {
      const text = Array.from({ length: 1 + next(16) }, () => alphabet[next(i % 2 === 0 ? 11 : alphabet.length)]).join(
        '',
      );
      let taken = true;
      try {
        toBytes(ipAddress, text);
      } catch {
        taken = false;
      }
      assert.equal(taken, isIP(text) !== 0 && !text.includes('%'), text);
    }
  });

  it('comes back as it was for random addresses', () => {
    const next = generator(11);
    for (let i = 0; i < 20_000; i++) {
      const raw = Buffer.from(Array.from({ length: 16 }, () => (next(3) === 0 ? next(256) : 0)));
      if (i % 4 === 0) raw.fill(0, 0, 10).fill(0xff, 10, 12);
      const text = ipAddress.decode(raw, 0);
      assert.notEqual(isIP(text), 0, text);
      assert.deepEqual(toBytes(ipAddress, text), raw, text);
    }
  });

  it('encodes 10,000 addresses in a few milliseconds', () => {
    const addresses = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.7`);
    const buf = Buffer.alloc(160_000);
    const run = (): number => {
      const { user } = process.cpuUsage();
      addresses.forEach((address, i) => ipAddress.encode(address, buf, i * 16));
      return (process.cpuUsage().user - user) / 1000;
    };
    const best = Math.min(...Array.from({ length: 10 }, run));
    assert.ok(best < 20, `${best} ms of CPU time`);
  });
});

describe('bytes, texts and arrays', () => {
  it('bytes are copied out', () => {
    const codec = bytes(4);
    const buf = Buffer.from('abcdef');
    const value = codec.decode(buf, 1);
    buf.fill(0);
    assert.equal(value.toString(), 'bcde');
    assert.throws(() => toBytes(codec, Buffer.alloc(3)), /4 bytes are needed, got 3/);
    assert.throws(() => toBytes(codec, 'abcd' as unknown as Buffer), TypeError);
    assert.throws(() => bytes(0), RangeError);
  });

  it('texts end with NUL and fill the field', () => {
    const codec = fixedString(8);
    const buf = Buffer.alloc(8, 0xee);
    codec.encode('abc', buf, 0);
    assert.equal(buf.toString('hex'), '6162630000000000');
    assert.equal(fromBytes(codec, toBytes(codec, 'sieben7')), 'sieben7');
    assert.equal(fromBytes(codec, Buffer.from('12345678')), '12345678');
    assert.throws(() => toBytes(codec, '12345678'), RangeError);
    assert.throws(() => toBytes(codec, 'äöüß'), RangeError);
    assert.throws(() => toBytes(codec, 'a\0b'), RangeError);
  });

  it('arrays have a fixed length', () => {
    const codec = array(u16be, 3);
    assert.equal(codec.size, 6);
    assert.equal(toBytes(codec, [1, 2, 3]).toString('hex'), '000100020003');
    assert.deepEqual(fromBytes(codec, toBytes(codec, [1, 2, 3])), [1, 2, 3]);
    assert.throws(() => toBytes(codec, [1, 2]), /3 elements/);
  });

  it('fromBytes insists on the size', () => {
    assert.throws(() => fromBytes(u32, Buffer.alloc(5)), /4 bytes expected, got 5/);
  });
});

describe('struct', () => {
  it('aligns as C does, and writes padding as zero', () => {
    const codec = struct({ a: u8, b: u32, c: u16, d: u64, e: u8 }, { name: 'example' });
    assert.deepEqual(codec.offsets, { a: 0, b: 4, c: 8, d: 16, e: 24 });
    assert.equal(codec.size, 32);
    assert.equal(codec.alignment, 8);
    const buf = Buffer.alloc(32, 0xff);
    codec.encode({ a: 1, b: 2, c: 3, d: 4n, e: 5 }, buf, 0);
    assert.equal(buf.toString('hex'), '0100000002000000030000000000000004000000000000000500000000000000');
    assert.deepEqual(codec.decode(buf, 0), { a: 1, b: 2, c: 3, d: 4n, e: 5 });
  });

  it('nests, in structs and in arrays', () => {
    const inner = struct({ port, flag: u8 });
    assert.equal(inner.size, 4);
    const outer = struct({ flag: u8, list: array(inner, 2), wide: aligned(bytes(4), 8) });
    assert.deepEqual(outer.offsets, { flag: 0, list: 2, wide: 16 });
    assert.equal(outer.size, 24);
    const value = {
      flag: 1,
      list: [
        { port: 80, flag: 2 },
        { port: 443, flag: 3 },
      ],
      wide: Buffer.from('wide'),
    };
    assert.deepEqual(fromBytes(outer, toBytes(outer, value)), value);
  });

  it('comes back as it was for random layouts', () => {
    const next = generator(3);
    const pool: Array<[Codec<any>, () => unknown]> = [
      [u8, () => next(256)],
      [u16, () => next(65_536)],
      [u32, () => next(2 ** 32)],
      [u64, () => BigInt(next(2 ** 32)) * BigInt(next(2 ** 32))],
      [port, () => next(65_536)],
      [ipAddress, () => `10.${next(256)}.${next(256)}.${next(256)}`],
      [fixedString(5), () => 'abcd'.slice(next(5))],
    ];
    for (let round = 0; round < 500; round++) {
      const fields: Record<string, Codec<any>> = {};
      const value: Record<string, unknown> = {};
      for (let i = 0; i <= next(8); i++) {
        const [codec, make] = pool[next(pool.length)]!;
        fields[`f${i}`] = codec;
        value[`f${i}`] = make();
      }
      const codec = struct(fields);
      assert.equal(codec.size % codec.alignment, 0);
      for (const [name, field] of Object.entries(fields))
        assert.equal(codec.offsets[name]! % (field.alignment ?? 1), 0);
      const dirty = Buffer.alloc(codec.size, 0xaa);
      codec.encode(value, dirty, 0);
      assert.deepEqual(dirty, toBytes(codec, value));
      assert.deepEqual(codec.decode(dirty, 0), value);
    }
  });

  it('refuses what is no object, and a struct without fields', () => {
    const codec = struct({ a: u8 });
    for (const bad of [null, undefined, 1, 'a']) assert.throws(() => toBytes(codec, bad as never), TypeError);
    assert.throws(() => toBytes(codec, {} as never), TypeError);
    assert.throws(() => struct({}), RangeError);
    assert.throws(() => aligned(u8, 3), RangeError);
  });
});

describe('oneOf', () => {
  const scope = oneOf({ off: 1, proxies: 2, full: 3 }, u8);

  it('stores names as numbers', () => {
    assert.equal(toBytes(scope, 'full').toString('hex'), '03');
    assert.equal(fromBytes(scope, Buffer.from([2])), 'proxies');
  });

  it('refuses what is not in the list, in both directions', () => {
    assert.throws(() => toBytes(scope, 'half' as 'full'), /one of off, proxies, full/);
    assert.throws(() => toBytes(scope, 'toString' as 'full'), RangeError);
    assert.throws(() => fromBytes(scope, Buffer.from([0])), RangeError);
    assert.throws(() => oneOf({ a: 1, b: 1 }, u8), RangeError);
  });
});
