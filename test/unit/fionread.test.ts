/** Who is told what about FIONREAD, where a kernel that does not count redirected bytes is not at hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnreadNotCountedError } from '../../src/errors';
import { fionreadCounts } from '../../src/mesh/datapath/fionread';

test('what is counted, by what was seen to be', () => {
  assert.equal(fionreadCounts(true, true), 'all');
  assert.equal(fionreadCounts(true, false), 'redirected');
  assert.equal(fionreadCounts(false, true), 'stack');
  // Nobody who goes by it may be sent to sleep: what counts nothing is as bad as what counts the stack alone.
  assert.equal(fionreadCounts(false, false), 'stack');
});

test('the warning names the kernel, the programs, and what to do', () => {
  const { message, hint, programs } = new UnreadNotCountedError('6.1.0-40-amd64');
  assert.match(
    message,
    /^FIONREAD of Linux 6\.1\.0-40-amd64 does not count redirected bytes, so programs that rely on it hang in 'full': nginx, /,
  );
  for (const program of ['nginx', 'OpenResty', 'ingress-nginx', 'Kong', 'Tengine']) {
    assert.ok(programs.includes(program));
    assert.ok(message.includes(program));
  }
  assert.match(hint!, /^nothing was switched off; .*'proxies'.*update the kernel.*FIONREAD to ignoreAdvisories$/);
});
