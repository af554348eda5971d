import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  BpfArrayMap,
  BpfHashMap,
  BpfLpmTrieMap,
  BpfLruHashMap,
  BpfMapHandle,
  BpfPerCpuArrayMap,
  BpfSockHashMap,
  possibleCpus,
} from '../../../src/bpf';
import { tcpPair } from '../../../src/bpf/internal';
import { bytes, ipAddress, struct, u16, u32, u64, u8 } from '../../../src/codec';
import { BpfError, ClosedError, InvalidAddressError, MapFullError, MapIncompatibleError } from '../../../src/errors';
import { noLeak, withBpffs } from '../../fixtures/support';

const hash = (maxEntries = 64, flags?: number) =>
  BpfHashMap.create({ name: 'test', key: u32, value: u32, maxEntries, ...(flags === undefined ? {} : { flags }) });

const pods = (count: number): Array<[string, number]> =>
  Array.from({ length: count }, (_, i) => [`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, i]);

describe('BpfHashMap', () => {
  it('behaves like a Map', () => {
    noLeak(() => {
      using map = hash();
      assert.equal(map.get(1), undefined);
      assert.equal(map.set(1, 10).set(2, 20), map);
      assert.equal(map.get(1), 10);
      assert.equal(map.has(2), true);
      assert.equal(map.has(3), false);
      assert.deepEqual(
        new Map(map),
        new Map([
          [1, 10],
          [2, 20],
        ]),
      );
      assert.deepEqual([...map.keys()].sort(), [1, 2]);
      assert.deepEqual([...map.values()].sort(), [10, 20]);
      const seen: number[] = [];
      map.forEach((value, key, self) => seen.push(value, key, self === map ? 1 : 0));
      assert.equal(seen.length, 6);
      assert.equal(map.delete(1), true);
      assert.equal(map.delete(1), false);
      assert.equal(map.count(), 1);
      assert.equal(map.clear(), 1);
      assert.equal(map.clear(), 0);
      assert.deepEqual([...map], []);
    });
  });

  it('tells the facts of the map', () => {
    using map = hash(64);
    assert.equal(map.name, 'test');
    assert.equal(map.type, 'hash');
    assert.deepEqual([map.keySize, map.valueSize, map.maxEntries, map.flags], [4, 4, 64, 0]);
    using same = BpfMapHandle.fromId(map.id);
    assert.equal(same.id, map.id);
  });

  it('keeps to the mode of set', () => {
    using map = hash();
    map.set(1, 1, { mode: 'create' });
    assert.throws(() => map.set(1, 2, { mode: 'create' }), { errnoName: 'EEXIST', code: 'ERR_BPF_SYSTEM_CALL' });
    assert.throws(() => map.set(2, 2, { mode: 'update' }), { errnoName: 'ENOENT' });
    map.set(1, 3, { mode: 'update' });
    assert.equal(map.get(1), 3);
    assert.equal(
      map.setMany(
        [
          [5, 5],
          [6, 6],
        ],
        { mode: 'create' },
      ),
      2,
    );
    assert.throws(
      () =>
        map.setMany(
          [
            [7, 7],
            [6, 6],
          ],
          { mode: 'create' },
        ),
      { errnoName: 'EEXIST' },
    );
    assert.throws(() => map.set(1, 1, { mode: 'never' as 'any' }), TypeError);
    assert.throws(() => map.set(1, 1, { moed: 'any' } as object), /unknown option 'moed'/);
  });

  it('says that it is full, and what was stored', () => {
    using map = hash(8);
    const entries = Array.from({ length: 20 }, (_, i): [number, number] => [i, i]);
    assert.throws(
      () => map.setMany(entries),
      (error: unknown) => {
        assert.ok(error instanceof MapFullError);
        assert.equal(error.code, 'ERR_BPF_MAP_FULL');
        assert.equal(error.map, 'test');
        assert.equal(error.maxEntries, 8);
        assert.equal(error.count, 8);
        assert.match(error.message, /map "test".*8 entries/);
        return true;
      },
    );
    assert.equal(map.count(), 8);
    assert.throws(() => map.set(99, 1), { code: 'ERR_BPF_MAP_FULL', count: 0 });
  });

  it('stores, reads and deletes 10,000 pods in batches', () => {
    using map = BpfHashMap.create({ name: 'pods', key: ipAddress, value: u32, maxEntries: 16_384 });
    const entries = pods(10_000);
    map.setMany(entries);
    map.clear();
    const start = process.cpuUsage();
    assert.equal(map.setMany(entries), 10_000);
    const { user, system } = process.cpuUsage(start);
    assert.ok(user + system < 100_000, `setMany took ${user + system} us of CPU time`);
    for (const batchSize of [1, 7, 1024, 65_536]) {
      const found = new Map(map.entries({ batchSize }));
      assert.deepEqual(found, new Map(entries), `batchSize ${batchSize}`);
    }
    assert.equal(map.deleteMany(['192.0.2.1', ...entries.slice(0, 5000).map(([key]) => key), '192.0.2.2']), 5000);
    assert.equal(map.count(), 5000);
  });

  it('changes nothing when one of many cannot be encoded', () => {
    using map = BpfHashMap.create({ name: 'pods', key: ipAddress, value: u32, maxEntries: 16 });
    assert.throws(
      () =>
        map.setMany([
          ['10.0.0.1', 1],
          ['10.0.0', 2],
        ]),
      InvalidAddressError,
    );
    assert.equal(map.count(), 0);
  });

  it('lets the current entry be deleted while it is read', () => {
    using map = hash(1000);
    map.setMany(Array.from({ length: 500 }, (_, i): [number, number] => [i, i]));
    let seen = 0;
    for (const [key] of map.entries({ batchSize: 16 })) {
      assert.equal(map.delete(key), true);
      seen += 1;
    }
    assert.equal(seen, 500);
  });

  it('reads maps with keys shorter than the cursor of the kernel', () => {
    using map = BpfHashMap.create({ name: 'short', key: u8, value: u16, maxEntries: 256 });
    map.setMany(Array.from({ length: 200 }, (_, i): [number, number] => [i, i * 2]));
    const found = new Map(map.entries({ batchSize: 16 }));
    assert.equal(found.size, 200);
    for (const [key, value] of found) assert.equal(value, key * 2);
  });

  it('takes structs', () => {
    const codec = struct({ ip: ipAddress, port: u16, cookie: u64 });
    using map = BpfHashMap.create({ name: 'pairs', key: codec, value: bytes(3), maxEntries: 4 });
    map.set({ ip: 'fd00::1', port: 80, cookie: 7n }, Buffer.from('abc'));
    assert.deepEqual([...map], [[{ ip: 'fd00::1', port: 80, cookie: 7n }, Buffer.from('abc')]]);
  });

  it('refuses what is no valid argument before the kernel sees it', () => {
    assert.throws(() => hash(0), RangeError);
    assert.throws(() => BpfHashMap.create({ name: 'a b', key: u32, value: u32, maxEntries: 1 }), TypeError);
    using map = hash();
    assert.throws(() => map.set(-1, 1), RangeError);
    assert.throws(() => map.set(1, 1.5), RangeError);
    assert.throws(() => [...map.entries({ batchSize: 0 })], RangeError);
  });

  it('does not grow in a long loop of single operations', () => {
    using map = hash();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 200_000; i++) map.set(i & 31, i).get(i & 31);
    assert.ok(process.memoryUsage().rss - before < 100e6);
  });
});

describe('closed maps', () => {
  it('throw ERR_BPF_CLOSED naming the map, and closing twice is nothing', () => {
    const map = hash();
    map.set(1, 1);
    const entries = map.entries();
    entries.next();
    map.close();
    map.close();
    assert.equal(map.closed, true);
    const actions = [
      () => map.get(1),
      () => map.set(1, 1),
      () => map.delete(1),
      () => map.setMany([[1, 1]]),
      () => map.deleteMany([1]),
      () => [...map],
      () => map.clear(),
      () => map.count(),
      () => map.unsafeFd(),
      () => map.pin('/x'),
      () => entries.next(),
    ];
    for (const action of actions) {
      assert.throws(action, (error: unknown) => error instanceof ClosedError && /map "test"/.test(error.message));
    }
  });
});

describe('BpfLpmTrieMap', () => {
  const range = struct({ bits: u32, address: ipAddress });
  const trie = (maxEntries = 64): BpfLpmTrieMap<{ bits: number; address: string }, number> =>
    BpfLpmTrieMap.create({ name: 'ranges', key: range, value: u32, maxEntries });
  const v4 = (address: string, bits = 32): { bits: number; address: string } => ({ bits: 96 + bits, address });

  it('finds the longest prefix', () => {
    noLeak(() => {
      using map = trie();
      assert.equal(
        map.setMany([
          [v4('10.0.0.0', 8), 8],
          [v4('10.1.0.0', 16), 16],
          [{ bits: 16, address: 'fd00::' }, 6],
        ]),
        3,
      );
      assert.equal(map.get(v4('10.1.2.3')), 16);
      assert.equal(map.get(v4('10.2.2.3')), 8);
      assert.equal(map.get(v4('11.0.0.1')), undefined);
      assert.equal(map.get({ bits: 128, address: 'fd00::1' }), 6);
      assert.equal(map.has(v4('0.0.0.0')), false);
    });
  });

  it('deletes and lists entries, not ranges', () => {
    using map = trie();
    map.set(v4('10.0.0.0', 8), 1).set(v4('10.0.0.0', 9), 2).set(v4('0.0.0.0', 0), 3);
    assert.deepEqual([...map].map(([{ bits, address }, value]) => `${address}/${bits - 96} ${value}`).sort(), [
      '0.0.0.0/0 3',
      '10.0.0.0/8 1',
      '10.0.0.0/9 2',
    ]);
    assert.equal(map.delete(v4('10.0.0.1', 9)), true, 'bits behind the prefix do not matter');
    assert.equal(map.delete(v4('10.0.0.0', 9)), false);
    assert.equal(map.get(v4('10.0.0.1')), 1);
    assert.equal(map.clear(), 2);
    assert.equal(map.count(), 0);
  });

  it('is full when it is full, and refuses a prefix that is too long', () => {
    using map = trie(2);
    assert.throws(
      () => map.setMany([1, 2, 3].map(n => [v4(`10.0.0.${n}`), n])),
      (error: unknown) => error instanceof MapFullError && error.count === 2,
    );
    assert.throws(() => map.set({ bits: 129, address: '10.0.0.1' }, 1), { errnoName: 'EINVAL' });
  });

  it('is no hash map', () => {
    using map = trie();
    assert.throws(() => BpfHashMap.from(map, { key: range, value: u32 }), MapIncompatibleError);
  });
});

describe('BpfLruHashMap', () => {
  it('evicts instead of being full', () => {
    using map = BpfLruHashMap.create({ name: 'lru', key: u32, value: u32, maxEntries: 128 });
    assert.equal(map.setMany(Array.from({ length: 1000 }, (_, i): [number, number] => [i, i])), 1000);
    const count = map.count();
    assert.ok(count > 0 && count <= 128, `${count}`);
    assert.equal(map.get(999), 999);
  });
});

describe('BpfArrayMap', () => {
  it('has all entries from the start', () => {
    using map = BpfArrayMap.create({ name: 'arr', value: u64, maxEntries: 4 });
    assert.equal(map.length, 4);
    assert.equal(map.get(0), 0n);
    assert.equal(map.set(3, 9n).get(3), 9n);
    assert.equal(map.get(4), undefined);
    assert.equal(map.has(4), false);
    assert.throws(() => map.set(4, 1n), RangeError);
    assert.throws(
      () =>
        map.setMany([
          [0, 5n],
          [4, 1n],
        ]),
      RangeError,
    );
    assert.equal(map.get(0), 0n);
    assert.equal(
      map.setMany([
        [0, 5n],
        [1, 6n],
      ]),
      2,
    );
    assert.deepEqual(
      [...map],
      [
        [0, 5n],
        [1, 6n],
        [2, 0n],
        [3, 9n],
      ],
    );
  });
});

describe('BpfPerCpuArrayMap', () => {
  it('has one value per CPU, also when values are no multiple of eight bytes', () => {
    const cpus = possibleCpus();
    using map = BpfPerCpuArrayMap.create({ name: 'per', value: u32, maxEntries: 3 });
    assert.equal(map.valueSize, 4);
    const values = Array.from({ length: cpus }, (_, cpu) => cpu + 1);
    map.set(1, values);
    assert.deepEqual(map.get(1), values);
    assert.deepEqual(
      map.get(0),
      values.map(() => 0),
    );
    assert.deepEqual(
      [...map].map(([, each]) => each.length),
      [cpus, cpus, cpus],
    );
    assert.throws(() => map.set(1, [...values, 1]), RangeError);
  });

  it('is refused by the class for plain arrays, which names the difference', () => {
    using map = BpfPerCpuArrayMap.create({ name: 'per', value: u64, maxEntries: 3 });
    assert.throws(() => BpfArrayMap.from(map, { value: u64 }), /type is percpu_array.*per-CPU/);
  });
});

describe('BpfSockHashMap', () => {
  it('holds sockets until they are closed', () => {
    noLeak(() => {
      using map = BpfSockHashMap.create({ name: 'socks', key: u32, maxEntries: 8 });
      using pair = tcpPair();
      map.set(1, pair.client).set(2, pair.server);
      const cookie = map.get(1);
      assert.equal(typeof cookie, 'bigint');
      assert.notEqual(cookie, map.get(2));
      assert.deepEqual([...map.keys()].sort(), [1, 2]);
      assert.deepEqual(new Map(map).get(1), cookie);
      assert.equal(map.has(3), false);
      assert.equal(map.delete(2), true);
      pair.close();
      assert.deepEqual([...map], []);
    });
  });

  it('refuses what is no established connection', () => {
    using map = BpfSockHashMap.create({ name: 'socks', key: u32, maxEntries: 8 });
    assert.throws(() => map.set(1, 99_999), { errnoName: 'EBADF' });
    assert.throws(() => map.set(1, -1), RangeError);
    assert.throws(() => map.set(1, map.unsafeFd()), BpfError);
  });

  it('is full when it is full', () => {
    using map = BpfSockHashMap.create({ name: 'socks', key: u32, maxEntries: 1 });
    using pair = tcpPair();
    map.set(1, pair.client);
    assert.throws(() => map.set(2, pair.server), MapFullError);
  });
});

describe('tcpPair', () => {
  it('sends, receives and tells the memory that is charged', () => {
    using pair = tcpPair();
    assert.equal(pair.memInfo(pair.server), 0);
    assert.equal(pair.send(pair.client, Buffer.from('hello')), 5);
    assert.ok(pair.memInfo(pair.server) > 0);
    const into = Buffer.alloc(16);
    assert.equal(pair.receive(pair.server, into), 5);
    assert.equal(into.toString('utf8', 0, 5), 'hello');
    assert.equal(pair.receive(pair.server, into), 0);
    const chunk = Buffer.alloc(65_536);
    let sent = 0;
    for (let taken = 1; taken > 0; sent += taken) taken = pair.send(pair.client, chunk);
    assert.ok(sent > 65_536);
  });

  it('waits for bytes and tells how many there are', () => {
    using pair = tcpPair();
    assert.equal(pair.readable(pair.server, 0), false);
    assert.equal(pair.unread(pair.server), 0);
    pair.send(pair.client, Buffer.from('hello'));
    assert.equal(pair.readable(pair.server, 10_000), true);
    assert.equal(pair.unread(pair.server), 5);
    assert.equal(pair.readable(pair.client, 0), false);
    pair.close();
    assert.throws(() => pair.unread(pair.server), { code: 'ERR_BPF_CLOSED' });
    assert.throws(() => pair.readable(pair.server, 0), { code: 'ERR_BPF_CLOSED' });
  });
});

describe('pins', () => {
  it('keep a map, and fromPin checks what it opens', async () => {
    await withBpffs(folder => {
      const path = `${folder}/pods`;
      const map = BpfHashMap.create({ name: 'pods', key: ipAddress, value: u32, maxEntries: 16 });
      map.set('10.0.0.9', 1);
      map.pin(path);
      assert.throws(() => map.pin(path), { errnoName: 'EEXIST' });
      map.close();
      noLeak(() => {
        assert.throws(
          () => BpfHashMap.fromPin(path, { key: u32, value: u64 }),
          (error: unknown) => {
            assert.ok(error instanceof MapIncompatibleError);
            assert.deepEqual(
              error.differences.map(({ property, expected, actual }) => [property, expected, actual]),
              [
                ['keySize', 4, 16],
                ['valueSize', 8, 4],
              ],
            );
            return true;
          },
        );
        assert.throws(() => BpfLruHashMap.fromPin(path, { key: ipAddress, value: u32 }), MapIncompatibleError);
      });
      using again = BpfHashMap.fromPin(path, { key: ipAddress, value: u32 });
      assert.equal(again.get('10.0.0.9'), 1);
      again.unpin(path);
      again.unpin(path);
      assert.throws(() => BpfHashMap.fromPin(path, { key: ipAddress, value: u32 }), { errnoName: 'ENOENT' });
    });
  });

  it('say that a path is not in a BPF file system', () => {
    using map = hash();
    assert.throws(
      () => map.pin('/tmp/merbridge-no-bpffs'),
      (error: unknown) => error instanceof BpfError && /BPF file system/.test(error.message),
    );
    assert.throws(() => map.pin(''), TypeError);
  });
});
