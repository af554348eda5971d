/** What scripts/test.sh goes by: no failure looks like a success, and each says why. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { spawnSync } from '../bed/children';

const REPORTER = resolve(__dirname, '../reporter.mjs');

/** What the reporter writes of a file with these lines. */
function report(...lines: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'merbridge-reporter-'));
  try {
    const file = join(folder, 'a.test.mjs');
    writeFileSync(file, ["import { test } from 'node:test';", ...lines].join('\n'));
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const run = spawnSync(
      process.execPath,
      ['--test', `--test-reporter=${REPORTER}`, '--test-reporter-destination=stdout', file],
      { encoding: 'utf8', env: environment },
    );
    return run.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('counts what passed, failed and did not run, and says why', () => {
  const text = report(
    "test('good', () => {});",
    "test('bad', () => { throw new Error('the reason'); });",
    "test('left out', { skip: 'no such thing here' }, () => {});",
  );
  assert.match(text, /^totals 1 1 1$/m);
  assert.match(text, /^failure .*a\.test\.mjs: bad$/m);
  assert.match(text, /^failure {5}Error: the reason$/m);
  assert.match(text, /^unrun left out: no such thing here$/m);
});

test('a file that ends before its tests, with exit code 0, is a failure', () => {
  for (const line of [
    'process.exit(0);',
    "test('x', () => new Promise(() => setTimeout(() => process.exit(0), 20)));",
  ]) {
    const text = report(line);
    assert.match(text, /^totals 0 1 0$/m, line);
    assert.match(text, /^failure .*no test in it came to an end$/m, line);
  }
});

test('what kills a file is named, and the name of a test forges no totals', () => {
  assert.match(report("test('x', () => process.kill(process.pid, 'SIGKILL'));"), /^failure {5}killed by SIGKILL$/m);
  const text = report(String.raw`test('x\ntotals 99 0 0', () => { throw new Error('bad'); });`);
  assert.deepEqual(text.match(/^totals .*$/gm), ['totals 0 1 0']);
});
