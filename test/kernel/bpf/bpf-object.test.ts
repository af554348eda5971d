import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { inspect } from 'node:util';

import { BpfArrayMap, BpfHashMap, BpfProgram, OpenBpfObject, kernelAtLeast } from '../../../src/bpf';
import { bytes, ipAddress, port, struct, structLayout, u32, u64, u8 } from '../../../src/codec';
import { ClosedError, MapIncompatibleError, ObjectFileError, VerifierError } from '../../../src/errors';
import { compile, noLeak, openFds, scratch } from '../../fixtures/support';

let plain = '';
let refused = '';
before(() => {
  plain = compile('plain');
  refused = compile('refused');
});

const endpoint = struct({ ip: ipAddress, port, flags: u32, cookie: u64, last: u8 });

describe('OpenBpfObject', () => {
  it('lists maps and programs before anything is loaded', () => {
    noLeak(() => {
      using open = OpenBpfObject.openFile(plain);
      assert.equal(open.name, 'plain');
      const map = open.map('endpoints');
      assert.deepEqual([map.type, map.keySize, map.valueSize, map.maxEntries], ['hash', 4, endpoint.size, 1024]);
      assert.equal(open.program('redirect').type, 'cgroup_sock_addr');
      assert.equal(open.program('redirect').attachType, 'cgroup/connect4');
      assert.ok(open.maps().some(({ name }) => name === '.rodata'));
      assert.deepEqual(
        open
          .programs()
          .map(({ name }) => name)
          .sort(),
        ['count_sockets', 'pass_message', 'pass_other', 'redirect', 'refuse'],
      );
      assert.throws(() => open.map('nothing'), /no map "nothing"; known are .*endpoints/);
      assert.throws(() => open.program('nothing'), RangeError);
    });
  });

  it('loads, and closes everything with the object', () => {
    const fds = openFds();
    const open = OpenBpfObject.openFile(plain);
    open.map('endpoints').maxEntries = 77;
    open.program('refuse').autoload = false;
    const object = open.load();
    assert.equal(open.closed, true);
    assert.throws(() => open.load(), ClosedError);
    assert.equal(object.map('endpoints').maxEntries, 77);
    assert.equal(object.map('.rodata').type, 'array');
    assert.throws(() => object.program('refuse'), RangeError);
    const program = object.program('redirect');
    assert.match(program.tag, /^[0-9a-f]{16}$/);
    assert.equal(program.type, 'cgroup_sock_addr');
    using byId = BpfProgram.fromId(program.id);
    assert.equal(byId.tag, program.tag);
    byId.close();
    const map = BpfHashMap.from(object.map('endpoints'), { key: u32, value: endpoint });
    map.set(1, { ip: '10.0.0.9', port: 80, flags: 1, cookie: 5n, last: 2 });
    assert.equal(map.get(1)?.ip, '10.0.0.9');
    object.close();
    object.close();
    assert.throws(() => map.get(1), ClosedError);
    assert.throws(() => program.unsafeFd(), ClosedError);
    assert.throws(() => object.map('endpoints'), ClosedError);
    assert.deepEqual(openFds(), fds);
  });

  it('checks sizes when a typed view is made', () => {
    using object = OpenBpfObject.openFile(plain).load();
    assert.throws(
      () => BpfHashMap.from(object.map('endpoints'), { key: u64, value: u32 }),
      (error: unknown) => {
        assert.ok(error instanceof MapIncompatibleError);
        assert.match(error.message, /map "endpoints".*keySize is 4 in the map but 8.*valueSize is 40 in the map but 4/);
        return true;
      },
    );
    assert.throws(() => BpfArrayMap.from(object.map('recent'), { value: u32 }), /type is lru_hash/);
  });

  it('agrees with the compiler about the layout of structs', () => {
    const layout = structLayout(readFileSync(plain), 'endpoint');
    assert.equal(layout.size, endpoint.size);
    assert.deepEqual(Object.fromEntries(layout.members.map(({ name, offset }) => [name, offset])), endpoint.offsets);
    assert.throws(() => structLayout(readFileSync(plain), 'nothing'), RangeError);
  });

  it('takes maps that exist, if they fit', () => {
    using first = OpenBpfObject.openFile(plain).load();
    const open = OpenBpfObject.openFile(plain);
    open.map('recent').reuse(first.map('recent'));
    assert.throws(() => open.map('settings').reuse(first.map('recent')), MapIncompatibleError);
    using second = open.load();
    assert.equal(second.map('recent').id, first.map('recent').id);
    assert.notEqual(second.map('settings').id, first.map('settings').id);
  });
});

describe('BpfVariable', () => {
  it('reads and sets settings and first values', () => {
    const open = OpenBpfObject.openFile(plain);
    assert.equal(open.variable('proxy_port').get(), 15001);
    assert.equal(open.variable('signed_limit').get(), -5);
    assert.equal(open.variable('big_limit').get(), 6291456n);
    assert.deepEqual(open.variable('redirect_ip').get(), Buffer.from([127, 0, 0, 1, ...Array(12).fill(0)]));
    assert.equal(open.variable('first_value').section, '.data');
    assert.equal(open.variable('counted').section, '.bss');
    open.variable('proxy_port').set(15006);
    open.variable('signed_limit').set(-7);
    open.variable('big_limit').set(1n << 40n);
    open.variable('redirect_ip').set('10.1.2.3', ipAddress);
    open.variable('first_value').set(70_000);
    assert.equal(open.variable('signed_limit').get(), -7);
    assert.throws(() => open.variable('proxy_port').set(65_536), RangeError);
    assert.throws(() => open.variable('proxy_port').set(-1), RangeError);
    assert.throws(() => open.variable('proxy_port').set(1, u32), /2 bytes.*4/);
    assert.throws(() => open.variable('redirect_ip').set(1), TypeError);
    assert.throws(() => open.variable('nothing'), /proxy_port/);
    const size = open.map('.rodata').valueSize;
    using object = open.load();
    const rodata = BpfArrayMap.from(object.map('.rodata'), { value: bytes(size) }).get(0) as Buffer;
    assert.notEqual(rodata.indexOf(Buffer.from('00000000000000000000ffff0a010203', 'hex')), -1);
    assert.notEqual(rodata.indexOf(Buffer.from([0x9e, 0x3a])), -1);
    assert.equal(BpfArrayMap.from(object.map('.data'), { value: u32 }).get(0), 70_000);
  });
});

describe('VerifierError', () => {
  it('names the program, quotes the reason, and has the whole log', () => {
    noLeak(() => {
      assert.throws(
        () => OpenBpfObject.openFile(refused).load(),
        (error: unknown) => {
          assert.ok(error instanceof VerifierError);
          assert.equal(error.code, 'ERR_BPF_VERIFIER');
          assert.equal(error.program, 'unchecked');
          assert.equal(error.errnoName, 'EACCES');
          assert.match(error.message, /program "unchecked" of object "refused".*invalid mem access/);
          assert.match(error.log, /^0: /m);
          assert.match(error.log, /processed \d+ insns/);
          assert.match((error.cause as Error).message, /^libbpf: .*unchecked/s);
          assert.ok(inspect(error).includes(error.log.trimEnd()));
          return true;
        },
      );
    });
  });

  it('leaves the object open, so that the program can be left out', () => {
    const open = OpenBpfObject.openFile(refused);
    open.map('values').maxEntries = 33;
    assert.throws(() => open.load(), VerifierError);
    assert.equal(open.map('values').maxEntries, 33);
    open.program('unchecked').autoload = false;
    using object = open.load();
    assert.deepEqual(
      object.programs().map(({ name }) => name),
      ['fine'],
    );
    assert.equal(object.map('values').maxEntries, 33);
  });

  it('has the whole log even when that is longer than the first buffer', () => {
    const path = compile('long-log');
    assert.throws(
      () => OpenBpfObject.openFile(path).load(),
      (error: unknown) => {
        assert.ok(error instanceof VerifierError, String(error));
        assert.ok(error.log.length > 1024 * 1024, `only ${error.log.length} bytes`);
        assert.match(error.log.slice(0, 200), /^0: /m);
        assert.match(error.log, /processed \d+ insns/);
        assert.match(error.message, /invalid mem access/);
        assert.notEqual(error.errnoName, 'ENOSPC');
        return true;
      },
    );
  });
});

describe('a verifier that gives up', () => {
  it(
    'is told as that, with the end of its log',
    { skip: !kernelAtLeast('6.4') && 'this kernel keeps the beginning' },
    () => {
      const path = compile('endless');
      assert.throws(
        () => OpenBpfObject.openFile(path).load(),
        (error: unknown) => {
          assert.ok(error instanceof VerifierError, String(error));
          assert.equal(error.program, 'endless');
          assert.match(error.message, /BPF program is too large\. Processed 1000001 insn/);
          assert.match(error.log, /processed 1000001 insns \(limit 1000000\)/);
          return true;
        },
      );
    },
  );
});

describe('ObjectFileError', () => {
  const broken: Array<[string, (good: Buffer) => Buffer, RegExp]> = [
    ['empty', () => Buffer.alloc(0), /empty/],
    ['text', () => Buffer.from('#!/bin/sh\n'.repeat(20)), /not an ELF file/],
    ['cut', good => good.subarray(0, good.length / 2), /cut short|past the end/],
    ['of another machine', () => readFileSync(process.execPath).subarray(0, 4096), /machine \d+, not for BPF/],
  ];
  for (const [what, make, reason] of broken) {
    it(`tells of a file that is ${what}`, () => {
      const path = join(scratch(), 'broken.bpf.o');
      writeFileSync(path, make(readFileSync(plain)));
      assert.throws(
        () => OpenBpfObject.openFile(path),
        (error: unknown) => error instanceof ObjectFileError && reason.test(error.message),
      );
    });
  }

  it('tells of a file that is missing', () => {
    assert.throws(() => OpenBpfObject.openFile('/nowhere/x.o'), {
      code: 'ERR_BPF_OBJECT_FILE',
      subject: '/nowhere/x.o',
      errnoName: 'ENOENT',
    });
    assert.throws(() => OpenBpfObject.openFile(scratch()), { code: 'ERR_BPF_OBJECT_FILE' });
  });

  it('survives damaged files of many kinds', () => {
    const good = readFileSync(plain);
    let seed = 12345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed % below;
    };
    for (let round = 0; round < 100; round++) {
      const bad = Buffer.from(good);
      for (let i = 0; i < 4; i++) bad[random(64)] = random(256);
      try {
        OpenBpfObject.open(bad, { name: 'fuzz' }).close();
      } catch (error) {
        assert.ok(error instanceof ObjectFileError || error instanceof RangeError, String(error));
      }
    }
  });
});
