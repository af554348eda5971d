/**
 * Programs that load on the running kernel load on older ones, too, as far as their stack goes: those count each frame
 * in larger steps.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { STACK_LIMIT, deepestChains } from '../../fixtures/frames';

const OBJECTS = join(__dirname, '..', '..', '..', 'dist', 'objects');

test(`no chain of calls takes more than ${STACK_LIMIT} bytes of stack on Linux 6.1`, t => {
  const chains = readdirSync(OBJECTS)
    .filter(name => name.endsWith('.o'))
    .flatMap(name => [...deepestChains(join(OBJECTS, name)).values()]);
  assert.ok(chains.length >= 10, 'programs were found');
  for (const { bytes, calls } of chains) t.diagnostic(`${bytes}: ${calls}`);
  assert.deepEqual(
    chains.filter(({ bytes }) => bytes > STACK_LIMIT),
    [],
  );
});
