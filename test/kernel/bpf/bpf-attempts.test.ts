/**
 * What fails to open or to load is tried once more, to collect what libbpf prints. The first attempt must not be seen.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { execFileSync } from '../../bed/children';
import { ROOT } from '../../fixtures/compile';
import { inChild, type Told } from '../../fixtures/in-child';
import { compile, scratch } from '../../fixtures/support';

let plain = '';
let library = '';
before(() => {
  plain = compile('plain');
  library = join(scratch(), 'fails-at-first.so');
  execFileSync('clang', [
    '-O2',
    '-Wall',
    '-Werror',
    '-shared',
    '-fPIC',
    '-o',
    library,
    join(__dirname, '..', '..', 'fixtures', 'fails-at-first.c'),
    '-lbpf',
  ]);
});

/** Opens and loads an object with a libbpf that fails so often. Nothing may be left open. */
function load(opens: number, loads: number): Told {
  return inChild(
    `require(${JSON.stringify(join(ROOT, 'dist', 'bpf'))}).OpenBpfObject.openFile(${JSON.stringify(plain)}).load().close()`,
    {
      env: { MERBRIDGE_LIBBPF: library, FAILING_OPENS: String(opens), FAILING_LOADS: String(loads) },
    },
  );
}

describe('a failure', () => {
  test('that does not come again is none', () => {
    assert.equal(load(0, 0).name, 'ended');
    assert.equal(load(1, 0).name, 'ended');
    assert.equal(load(0, 1).name, 'ended');
  });

  for (const [what, opens, loads] of [
    ['open', 2, 0],
    ['load', 0, 2],
  ] as const)
    test(`to ${what} that comes again is told`, () => {
      const { code, errnoName } = load(opens, loads);
      assert.deepEqual({ code, errnoName }, { code: 'ERR_BPF_SYSTEM_CALL', errnoName: 'ENOMEM' });
    });
});
