/** What a start costs the event loop of its process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cgroup } from 'merbridge/bpf';
import { ownedCgroupPath } from '../../bed/owned';
import { inChild, starts, type Told } from '../../fixtures/in-child';

/**
 * One for the window over the libraries, or two where they lie on both sides of its border, one for that over the
 * executable, and some that were due anyway.
 */
const MOST = 5;

let cgroup: Cgroup;
before(() => {
  cgroup = Cgroup.create(ownedCgroupPath('start'));
});
after(() => cgroup.remove());

test(`a start takes ${MOST} full garbage collections at most`, t => {
  const told = inChild(
    `const { constants, PerformanceObserver } = require('node:perf_hooks');
     let collections = 0;
     new PerformanceObserver(list => {
       for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
     }).observe({ entryTypes: ['gc'] });
     ${starts({ cgroup: cgroup.path, acceleration: 'full' })}
     await require('node:timers/promises').setTimeout(200); // The observer is told later.
     return { collections };`,
    // A small heap: the engine collects for each gigabyte that it is told of. A large one bears some of them.
    { flags: ['--max-old-space-size=512'] },
  ) as Told & { readonly collections: number };
  assert.equal(told.name, 'ended', told.message);
  t.diagnostic(`${told.collections} full collections`);
  assert.ok(told.collections <= MOST, `${told.collections} full collections`);
});
