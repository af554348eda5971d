import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';

import { TYPESCRIPT } from '../../bed/children';
import { ROOT } from '../../fixtures/compile';
import { child, compile } from '../../fixtures/support';

let plain = '';
before(() => {
  plain = compile('plain');
});

/** Runs code, and requires that the process ends by itself with an exit code of 0. */
function clean(
  code: string,
  env?: Record<string, string>,
  flags?: readonly string[],
): { stdout: string; stderr: string } {
  const { status, signal, stdout, stderr } = child(code, env, flags);
  assert.equal(signal, null, stderr);
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

describe('a process', () => {
  it('is told that libbpf is missing, and how to get it', () => {
    const { stdout } = clean(
      `try { m.possibleCpus(); } catch (e) {
         console.log(JSON.stringify([e instanceof m.LibraryLoadError, e.code, e.tried, e.message]));
       }`,
      { MERBRIDGE_LIBBPF: '/nowhere/libbpf.so.1' },
    );
    const [is, code, tried, message] = JSON.parse(stdout) as [boolean, string, string[], string];
    assert.equal(is, true);
    assert.equal(code, 'ERR_BPF_LIBRARY_LOAD');
    assert.deepEqual(tried, ['/nowhere/libbpf.so.1']);
    assert.match(message, /libbpf1.*Fedora: libbpf.*MERBRIDGE_LIBBPF/);
  });

  it('is told that a library is not libbpf', () => {
    const { stdout } = clean(`try { m.possibleCpus(); } catch (e) { console.log(e.code); }`, {
      MERBRIDGE_LIBBPF: 'libm.so.6',
    });
    assert.equal(stdout.trim(), 'ERR_BPF_LIBRARY_LOAD');
  });

  it('without privilege is told which capabilities it lacks', () => {
    const { stdout, stderr } = clean(
      `const bytes = require('fs').readFileSync(${JSON.stringify(plain)});
       const out = [];
       const attempt = (f) => { try { f(); out.push('worked'); } catch (e) { out.push([e.code, e instanceof m.PermissionError, e.missing]); } };
       attempt(() => m.Cgroup.mountPoint());
       process.setgroups([]); process.setgid(65534); process.setuid(65534);
       attempt(() => m.BpfHashMap.create({ name: 'x', key: m.u32, value: m.u32, maxEntries: 1 }));
       attempt(() => m.OpenBpfObject.open(bytes).load());
       console.log(JSON.stringify(out));`,
    );
    const missing = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'];
    assert.deepEqual(JSON.parse(stdout), [
      'worked',
      ['ERR_BPF_PERMISSION', true, missing],
      ['ERR_BPF_PERMISSION', true, missing],
    ]);
    assert.equal(stderr, '', 'nothing may write to standard error');
  });

  it('loads programs under a profiler whose signals come faster than a program is verified', t => {
    const profiles = mkdtempSync(join(tmpdir(), 'merbridge-profile-'));
    t.after(() => rmSync(profiles, { recursive: true, force: true }));
    const object = join(ROOT, 'dist/objects/merbridge.bpf.o');
    const { stdout } = clean(
      `for (let i = 0; i < 3; i++) m.OpenBpfObject.openFile(${JSON.stringify(object)}).load().close();
       console.log('loaded');`,
      {},
      ['--cpu-prof', '--cpu-prof-interval=100', `--cpu-prof-dir=${profiles}`],
    );
    assert.equal(stdout.trim(), 'loaded');
    assert.equal(readdirSync(profiles).length, 1, 'it was profiled');
  });

  it('keeps libbpf from writing to standard error', () => {
    const { stderr } = clean(
      `try { m.OpenBpfObject.open(Buffer.alloc(100)); } catch {}
       const o = m.OpenBpfObject.openFile(${JSON.stringify(plain)}); o.load().close();`,
    );
    assert.equal(stderr, '');
  });

  const stages: Record<string, string> = {
    'after import': '',
    'with an open object': `globalThis.o = m.OpenBpfObject.openFile(P);`,
    'with a loaded object': `globalThis.o = m.OpenBpfObject.openFile(P).load();`,
    'with a closed object': `m.OpenBpfObject.openFile(P).load().close();`,
    'with a map in the middle of an iteration': `
      globalThis.h = m.BpfHashMap.create({ name: 'x', key: m.u32, value: m.u32, maxEntries: 9 });
      h.setMany([[1, 1], [2, 2]]); globalThis.i = h.entries(); i.next();`,
    'after a refusal': `try { m.OpenBpfObject.open(Buffer.alloc(9)); } catch {}`,
    'with sockets in a map': `
      globalThis.s = m.BpfSockHashMap.create({ name: 'x', key: m.u32, maxEntries: 9 });
      globalThis.p = m.tcpPair(); s.set(1, p.client);`,
  };
  for (const [stage, code] of Object.entries(stages)) {
    for (const end of ['', 'process.exit(0);']) {
      it(`ends cleanly ${stage}${end === '' ? '' : ' by process.exit'}`, () => {
        clean(`const P = ${JSON.stringify(plain)}; ${code} ${end}`);
      });
    }
  }

  it('is warned of a handle that was dropped, which stays as it is', () => {
    const { stdout, stderr } = clean(
      `(function () { m.BpfHashMap.create({ name: 'dropped', key: m.u32, value: m.u32, maxEntries: 9 }); })();
       process.on('warning', (w) => console.log(w.code, w.message));
       let n = 0; const t = setInterval(() => { gc(); if (++n > 5) clearInterval(t); }, 10);`,
      {},
      ['--expose-gc'],
    );
    assert.match(stdout, /MERBRIDGE_NOT_CLOSED map "dropped"/, stderr);
  });

  it('may load and drop objects under constant garbage collection', () => {
    clean(
      `for (let i = 0; i < 5; i++) {
         const o = m.OpenBpfObject.openFile(${JSON.stringify(plain)}); gc();
         o.variable('proxy_port').set(i + 1); gc();
         const l = o.load(); gc(); l.close(); gc();
         try { m.OpenBpfObject.open(Buffer.alloc(200)); } catch {} gc();
       }`,
      {},
      ['--expose-gc'],
    );
  });

  it('may use the library in a worker, when the main thread loaded it first', () => {
    const worker = `
      require(${JSON.stringify(TYPESCRIPT[1])});
      const { BpfHashMap } = require('./src/bpf'); const { u32 } = require('./src/codec');
      const h = BpfHashMap.create({ name: 'w', key: u32, value: u32, maxEntries: 4 });
      h.set(1, 2); require('worker_threads').parentPort.postMessage(h.get(1)); h.close();`;
    const { stdout } = clean(
      `new (require('worker_threads').Worker)(${JSON.stringify(worker)}, { eval: true }).on('message', (v) => console.log(v));`,
    );
    assert.equal(stdout.trim(), '2');
  });
});
