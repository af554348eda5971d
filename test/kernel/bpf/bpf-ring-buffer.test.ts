/** Ring buffers: every record once and in order, or counted as lost; nothing runs while there is nothing to read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ownedCgroupPath } from '../../bed/owned';
import { BOUND, spawn, spawnSync } from '../../bed/children';
import { settled } from '../../bed/processes';
import { BpfArrayMap, Cgroup, OpenBpfObject, RingBuffer, type BpfLink, type BpfObject } from '../../../src/bpf';
import { struct, u32, u64 } from '../../../src/codec';
import { compile, openFds, ROOT } from '../../fixtures/support';

const codec = struct({ number: u64, of: u32, check: u32 });
/** The entry point, built. */
const BPF = join(ROOT, 'dist', 'bpf');

type Record = { number: bigint; of: number; check: number };

let object: BpfObject;
let cgroup: Cgroup;
let link: BpfLink;
let totals: BpfArrayMap<bigint>;

before(() => {
  object = OpenBpfObject.openFile(compile('ring')).load();
  cgroup = Cgroup.create(ownedCgroupPath('ring'));
  link = cgroup.attach(object.program('write_records'));
  totals = BpfArrayMap.from(object.map('totals'), { value: u64 });
});
after(() => {
  link?.close();
  object?.close();
  cgroup?.remove();
});

/** Has the program write so many records: a process in the cgroup connects to ports that name a part of them each. */
function write(records: number, address = '127.0.0.1'): void {
  totals.set(2, 0n);
  const ports = Array.from({ length: Math.ceil(records / 256) }, (_, i) => Math.min(256, records - 256 * i));
  const code = `
import socket, sys
for port in ${JSON.stringify(ports)}:
  with socket.socket() as s:
    try: s.connect((sys.argv[1], port))
    except PermissionError: pass`;
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', 'echo $$ > "$0/cgroup.procs" && exec python3 -c "$1" "$2"', cgroup.path, code, address],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
}

const written = (): bigint => totals.get(0)!;
const lost = (): bigint => totals.get(1)!;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 60_000; !condition();) {
    assert.ok(Date.now() < end, `never: ${what}`);
    await sleep(5);
  }
}

const firstRing = (): RingBuffer<Record> => RingBuffer.from(object.map('first'), { value: codec });

/** Numbers of the records that a program writes in one go; one of 64 it discards. */
const numbers = (of: number): number[] => Array.from({ length: of }, (_, i) => i).filter(i => i % 64 !== 63);

describe('a ring buffer', () => {
  it('hands over every record once, in order, over many times its size', async () => {
    const ring = firstRing();
    const seen: number[] = [];
    ring.consume(({ number, check }) => {
      assert.equal(check, ~Number(number) >>> 0);
      seen.push(Number(number));
    });
    const [before_, lostBefore] = [written(), lost()];
    for (let round = 1; round <= 8; round++) {
      write(1000 + round);
      const expected = Number(written() - before_);
      await until(() => seen.length === expected, `${expected} records`);
    }
    assert.deepEqual(seen, Array.from({ length: 8 }, (_, round) => numbers(1001 + round)).flat());
    assert.equal(lost(), lostBefore);
    assert.equal(ring.skipped, 0);
    assert.equal(ring.pending, 0);
    ring.close();
    assert.equal(ring.closed, true);
  });

  it('that nobody reads fills up: the program counts what is lost, and the reader gets the first ones', async () => {
    const ring = firstRing();
    const lostBefore = lost();
    write(4000); // 24 bytes each
    const missing = Number(lost() - lostBefore);
    assert.equal(missing, 4000 - Math.floor(65536 / 24));
    const seen: number[] = [];
    ring.consume(({ number }) => seen.push(Number(number)));
    await until(() => seen.length === numbers(4000 - missing).length, 'all that had room');
    assert.deepEqual(seen, numbers(4000 - missing));
    write(10);
    await until(() => seen.length === numbers(4000 - missing).length + 10, 'the next ones, as there is room again');
    ring.close();
  });

  it('is iterated; a slow loop leaves the rest in the ring', async () => {
    const ring = firstRing();
    write(3);
    const seen: number[] = [];
    for await (const { number } of ring) {
      seen.push(Number(number));
      if (seen.length === 1) {
        write(100);
        await sleep(50);
      }
      if (seen.length === 50) break;
    }
    assert.deepEqual(seen, [0, 1, 2, ...numbers(100)].slice(0, 50));
    assert.equal(ring.active, false, 'the end of the loop is the end of reading');
    for await (const { number } of ring) {
      seen.push(Number(number));
      if (seen.length === numbers(100).length + 3) break;
    }
    assert.deepEqual(seen, [0, 1, 2, ...numbers(100)], 'the next loop goes on where the last one ended');
    ring.close();
  });

  it('ends an iteration that waits when it is closed', async () => {
    const ring = firstRing();
    setTimeout(() => ring.close(), 30);
    for await (const _ of ring) assert.fail('there is nothing');
    assert.equal(ring.closed, true);
  });

  it('may be closed, and stopped, by the function that gets a record; what it did not get stays', async () => {
    write(5);
    const seen: number[] = [];
    const first = firstRing();
    first.consume(({ number }) => {
      seen.push(Number(number));
      if (seen.length === 2) first.close();
    });
    await until(() => first.closed, 'closed');
    const second = firstRing();
    second.consume(({ number }) => {
      seen.push(Number(number));
      second.stop();
    });
    await until(() => seen.length === 3, 'one more');
    await sleep(20);
    assert.deepEqual(seen, [0, 1, 2]);
    second.consume(({ number }) => seen.push(Number(number)));
    await until(() => seen.length === 5, 'the rest');
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    second.close();
  });

  it('has one reader in a process, and two rings have two', async () => {
    const one = firstRing();
    const same = firstRing();
    const other = RingBuffer.from(object.map('second'), { value: codec });
    const [a, b]: [number[], number[]] = [[], []];
    one.consume(({ number }) => a.push(Number(number)));
    assert.throws(() => one.consume(() => undefined), { code: 'ERR_BPF_RING_IN_USE' });
    assert.throws(() => same.consume(() => undefined), { code: 'ERR_BPF_RING_IN_USE' });
    await assert.rejects(
      async () => {
        for await (const _ of same) break;
      },
      { code: 'ERR_BPF_RING_IN_USE' },
    );
    other.consume(({ number }) => b.push(Number(number)));
    write(20);
    write(30, '127.0.0.2');
    await until(() => a.length === 20 && b.length === 30, 'both');
    one.close();
    same.consume(({ number }) => a.push(Number(number))).stop();
    for (const ring of [same, other]) ring.close();
    assert.throws(() => one.consume(() => undefined), { code: 'ERR_BPF_CLOSED' });
  });

  it('passes over records of another size, and counts them', async () => {
    const ring = firstRing();
    const seen: number[] = [];
    ring.consume(({ number }) => seen.push(Number(number)));
    write(1, '127.0.0.3');
    write(2);
    await until(() => seen.length === 2, 'those of the right size');
    assert.equal(ring.skipped, 1);
    ring.close();
  });

  it('refuses what is none, and sizes that the kernel refuses', () => {
    assert.throws(() => RingBuffer.from(object.map('totals'), { value: codec }), { code: 'ERR_BPF_MAP_INCOMPATIBLE' });
    assert.throws(() => RingBuffer.create({ name: 'odd', bytes: 5000, value: codec }), {
      code: 'ERR_BPF_SYSTEM_CALL',
      errnoName: 'EINVAL',
    });
    assert.throws(() => firstRing().consume(undefined as never), TypeError);
    using made = RingBuffer.create({ name: 'made', bytes: 65536, value: codec });
    assert.equal(made.maxEntries, 65536);
  });

  it('leaves no file descriptor and no mapping, opened and closed 200 times', async () => {
    const maps = (): number =>
      (spawnSync('grep', ['-c', 'bpf-map', `/proc/${process.pid}/maps`], {
        encoding: 'utf8',
      }).stdout.trim() as unknown as number) | 0;
    const turn = async (): Promise<void> => {
      const ring = firstRing();
      ring.consume(() => undefined);
      ring.close();
      await new Promise(setImmediate);
    };
    await turn();
    const [fds, mapped] = [openFds(), maps()];
    for (let i = 0; i < 200; i++) await turn();
    assert.deepEqual(openFds(), fds);
    assert.equal(maps(), mapped);
  });
});

/** Runs code in a process of its own, with the built library as `m`. */
function child(code: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['-e', `const m = require(${JSON.stringify(BPF)}); ${code}`], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 120_000,
  });
}

describe('the process of a reader', () => {
  const open = `const ring = m.RingBuffer.create({ name: 'ring', bytes: 65536, value: m.u64 });`;

  it('lives as long as records are waited for, ends at once when told to, and is not held by what is unref', () => {
    const ended = (code: string): number | null => {
      const { status, stderr } = child(open + code);
      assert.equal(stderr, '');
      return status;
    };
    assert.equal(ended(`ring.consume(() => {}).unref();`), 0);
    assert.equal(ended(`ring.consume(() => {}); setTimeout(() => ring.close(), 100);`), 0);
    assert.equal(ended(`ring.consume(() => {}); setTimeout(() => process.exit(7), 100);`), 7);
    assert.equal(ended(`(async () => { for await (const r of ring); })(); setTimeout(() => ring.stop(), 100);`), 0);
    assert.equal(
      ended(
        `ring.consume(() => {}); setTimeout(() => { throw 0; }, 100); process.on('uncaughtException', () => process.exit(3));`,
      ),
      3,
    );
  });

  it('goes on behind an exception with the next record, if it goes on at all', () => {
    const { stdout, stderr, status } = child(`
      const { execFileSync } = require('child_process');
      const object = m.OpenBpfObject.openFile(${JSON.stringify(compile('ring'))}).load();
      const cgroup = m.Cgroup.create(m.Cgroup.mountPoint() + '/merbridge-ring-' + process.pid);
      const link = cgroup.attach(object.program('write_records'));
      execFileSync('sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec python3 -c "import socket\\ntry: socket.create_connection((\\'127.0.0.1\\', 6))\\nexcept PermissionError: pass"', cgroup.path]);
      const ring = m.RingBuffer.from(object.map('first'), { value: m.struct({ number: m.u64, of: m.u32, check: m.u32 }) });
      const seen = [], errors = [];
      process.on('uncaughtException', (error) => errors.push(error.message));
      ring.consume(({ number }) => {
        seen.push(Number(number));
        if (number % 2n === 0n) throw new Error('at ' + number);
        if (number === 5n) { console.log(JSON.stringify({ seen, errors })); link.close(); object.close(); cgroup.remove(); }
      });`);
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { seen: [0, 1, 2, 3, 4, 5], errors: ['at 0', 'at 2', 'at 4'] });
  });

  it('is told that a worker thread cannot wait for a ring', () => {
    const { stdout, stderr } = child(`
      const { Worker } = require('worker_threads');
      new Worker(\`const m = require(${JSON.stringify(BPF)});
        const ring = m.RingBuffer.create({ name: 'ring', bytes: 65536, value: m.u64 });
        try { ring.consume(() => {}); } catch (error) { console.log(error.code); }
        ring.close();\`, { eval: true });`);
    assert.equal(stdout.trim(), 'ERR_BPF_NOT_SUPPORTED', stderr);
  });

  it('that waits does nothing: no system call in 10 s', { timeout: 120_000 }, async t => {
    const script = `const m = require(${JSON.stringify(BPF)}); ${open} ring.consume(() => {}); console.log('waits');`;
    // The engine itself would collect garbage once, some seconds after the start.
    const idle = spawn(process.execPath, ['--no-memory-reducer', '-e', script], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(idle.stdout, 'data');
      // Until the threads of the engine have done what they do after a start.
      await settled(idle.pid!, 3000);
      const { stderr } = spawnSync('timeout', ['-s', 'INT', '10', ...BOUND, 'strace', '-f', '-p', `${idle.pid}`], {
        encoding: 'utf8',
      });
      assert.match(stderr, /attached/);
      // What a thread was waiting in when strace came and went.
      const waiting = /(epoll_p?wait|futex|read|restart_syscall).*<unfinished \.\.\.>$|detached|^strace: |^$/;
      const calls = stderr.split('\n').filter(line => !waiting.test(line));
      t.diagnostic(`system calls in 10 s: ${calls.length}`);
      assert.deepEqual(calls, []);
    } finally {
      const gone = once(idle, 'exit');
      idle.kill('SIGKILL');
      await gone;
    }
  });
});
