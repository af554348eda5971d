/** `npm run demo` at its shortest: two pods with unmodified sidecars, every mode once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TYPESCRIPT, execFileSync } from '../../bed/children';

test('the demo answers every request in every mode, and removes what it made', () => {
  // It ends with 0 only if nothing failed and nothing is left.
  const output = execFileSync(process.execPath, [...TYPESCRIPT, 'bench/demo.ts', '--rounds', '1', '--seconds', '1'], {
    cwd: join(__dirname, '..', '..', '..'),
    encoding: 'utf8',
  });
  assert.match(output, /^first request answered( +1 of 1){4} *$/m);
  assert.match(output, /^requests answered( +100 % of \d+){4} *$/m);
  assert.match(output, /^Removed after the last round:\n./m);
});
