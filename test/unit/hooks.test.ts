/** The order in which the programs are attached, which other modules rely on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HOOKS, MARK, STAGES, programsOf } from '../../src/mesh/datapath/hooks';

test('the mark is attached last: a datapath that has it is complete', () => {
  assert.equal([...HOOKS.keys()].at(-1), MARK);
  assert.equal(programsOf('entrances').at(-1), MARK);
});

test('programs are listed by stage', () => {
  assert.deepEqual(STAGES.flatMap(programsOf), [...HOOKS.keys()]);
});
