import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TYPESCRIPT, spawnSync } from '../bed/children';

const SHELL = join(__dirname, '..', 'bed', 'shell.ts');

/** What a wait of 100 ms says that fails, on a machine that is as the variables tell. */
function failedWait(environment: NodeJS.ProcessEnv): string {
  const code = `require(${JSON.stringify(SHELL)}).until('x', () => false, 100).catch(e => console.log(e.message))`;
  const { stdout, stderr } = spawnSync(process.execPath, [...TYPESCRIPT, '-e', code], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...environment },
  });
  return (stdout + stderr).trim();
}

test('a wait grows with the slowness of the machine, up to a limit', () => {
  assert.equal(failedWait({}), 'x: not within 100 ms');
  assert.equal(failedWait({ MERBRIDGE_TEST_SLOWNESS: '3' }), 'x: not within 300 ms');
  const slow = { MERBRIDGE_TEST_SLOWNESS: '6000', MERBRIDGE_TEST_LONGEST_WAIT: '1' };
  assert.equal(failedWait(slow), 'x: not within 1000 ms');
  assert.match(failedWait({ MERBRIDGE_TEST_SLOWNESS: 'much' }), /MERBRIDGE_TEST_SLOWNESS is a number of at least 1/);
});
