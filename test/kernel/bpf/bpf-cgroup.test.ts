import assert from 'node:assert/strict';
import { existsSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { ownedDirectory } from '../../bed/owned';
import { until } from '../../bed/shell';
import { BpfLink, type BpfObject, BpfProgram, BpfSockHashMap, Cgroup, OpenBpfObject } from '../../../src/bpf';
import { RunStatisticsSwitch, tcpPair } from '../../../src/bpf/internal';
import { u32 } from '../../../src/codec';
import { AlreadyAttachedError, NotACgroupError } from '../../../src/errors';
import { compile, noLeak, withBpffs, withCgroup } from '../../fixtures/support';

let object: BpfObject;
before(() => {
  object = OpenBpfObject.openFile(compile('plain')).load();
});
after(() => object.close());

const connect4 = (cgroup: Cgroup): string[] =>
  cgroup.programs({ attachType: 'cgroup/connect4' }).map(({ name }) => name);

describe('Cgroup', () => {
  it('finds the mount point', () => {
    assert.ok(
      existsSync(join(Cgroup.mountPoint(), 'cgroup.controllers')) ||
        existsSync(join(Cgroup.mountPoint(), 'cgroup.procs')),
    );
  });

  it('refuses what is no cgroup of version 2', () => {
    const folder = ownedDirectory('nocg');
    assert.throws(
      () => Cgroup.open(folder),
      (error: unknown) => error instanceof NotACgroupError && error.subject === folder,
    );
    assert.throws(() => Cgroup.open('/nowhere'), { code: 'ERR_BPF_NOT_A_CGROUP', errnoName: 'ENOENT' });
    assert.throws(() => Cgroup.create(join(folder, 'x')), NotACgroupError);
    assert.equal(existsSync(join(folder, 'x')), false);
    rmdirSync(folder);
  });

  it('attaches beside others, lists, and detaches', async () => {
    await withCgroup(cgroup => {
      noLeak(() => {
        assert.deepEqual(connect4(cgroup), []);
        const first = cgroup.attach(object.program('redirect'));
        const second = cgroup.attach(object.program('refuse'));
        assert.deepEqual(connect4(cgroup), ['redirect', 'refuse']);
        assert.equal(first.attachType, 'cgroup/connect4');
        assert.equal(first.programId(), object.program('redirect').id);
        const [listed] = cgroup
          .programs({ attachType: 'cgroup/connect4', effective: true })
          .filter(({ name }) => name === 'redirect');
        assert.equal(listed?.tag, object.program('redirect').tag);
        first.close();
        first.close();
        assert.deepEqual(connect4(cgroup), ['refuse']);
        second.detach();
        second.detach();
        assert.equal(second.isAttached(), false);
        assert.deepEqual(connect4(cgroup), []);
        second.close();
      });
    });
  });

  it('replaces a program in place', async () => {
    await withCgroup(cgroup => {
      using link = cgroup.attach(object.program('redirect'));
      link.update(object.program('refuse'), { expected: object.program('redirect') });
      assert.deepEqual(connect4(cgroup), ['refuse']);
      assert.throws(() => link.update(object.program('refuse'), { expected: object.program('redirect') }), {
        code: 'ERR_BPF_SYSTEM_CALL',
      });
      assert.throws(() => link.update(object.program('pass_message')), { errnoName: 'EINVAL' });
    });
  });

  it('says where a program cannot be attached', async () => {
    await withCgroup(cgroup => {
      assert.throws(() => cgroup.attach(object.program('redirect'), { attachType: 'cgroup/getsockopt' }), {
        errnoName: 'EINVAL',
      });
      assert.throws(
        () => cgroup.attach(object.program('redirect'), { attachType: 'nowhere' as 'sockops' }),
        RangeError,
      );
      using byId = BpfProgram.fromId(object.program('redirect').id);
      assert.throws(() => cgroup.attach(byId), TypeError);
      cgroup.attach(byId, { attachType: 'cgroup/connect4' }).close();
    });
  });

  it('keeps a pinned link, and a later process takes it over', async () => {
    await withBpffs(async folder => {
      await withCgroup(cgroup => {
        const path = `${folder}/link`;
        const link = cgroup.attach(object.program('redirect'));
        link.pin(path);
        link.close();
        assert.deepEqual(connect4(cgroup), ['redirect']);
        const again = BpfLink.openPin(path);
        assert.equal(again.isAttached(), true);
        again.update(object.program('refuse'));
        again.unpin(path);
        again.close();
        assert.deepEqual(connect4(cgroup), []);
        assert.throws(() => BpfLink.openPin(path), { errnoName: 'ENOENT' });
      });
    });
  });

  it('notices that its cgroup was removed', async () => {
    await withCgroup(async cgroup => {
      const link = cgroup.attach(object.program('redirect'));
      cgroup.remove();
      assert.throws(() => cgroup.programs({ attachType: 'sockops' }), { code: 'ERR_BPF_CLOSED' });
      // The kernel detaches from a worker thread of its own.
      await until('it is detached', () => !link.isAttached());
      link.close();
    });
  });
});

describe('BpfSockHashMap.attachVerdict', () => {
  it('redirects messages, and keeps to itself', () => {
    noLeak(() => {
      using sockets = BpfSockHashMap.create({ name: 'verdicts', key: u32, maxEntries: 8 });
      const first = sockets.attachVerdict(object.program('pass_other'));
      assert.deepEqual(
        sockets.verdictPrograms().map(({ id }) => id),
        [object.program('pass_other').id],
      );
      assert.throws(
        () => sockets.attachVerdict(object.program('pass_message')),
        (error: unknown) => {
          assert.ok(error instanceof AlreadyAttachedError);
          assert.deepEqual(
            error.programs.map(({ name }) => name),
            ['pass_other'],
          );
          return true;
        },
      );
      const second = sockets.attachVerdict(object.program('pass_message'), { replace: true });
      first.close();
      assert.deepEqual(
        sockets.verdictPrograms().map(({ name }) => name),
        ['pass_message'],
      );
      second.close();
      assert.deepEqual(sockets.verdictPrograms(), []);
      assert.throws(() => sockets.attachVerdict(object.program('redirect')), TypeError);
    });
  });

  it('moves bytes from socket to socket', () => {
    const sockets = BpfSockHashMap.from(object.map('sockets'), { key: u32 });
    using attachment = sockets.attachVerdict(object.program('pass_message'));
    using pair = tcpPair();
    using other = tcpPair();
    sockets.set(1, pair.client).set(2, other.server);
    assert.equal(pair.send(pair.client, Buffer.from('redirected')), 10);
    const into = Buffer.alloc(32);
    assert.equal(pair.receive(pair.server, into), 0);
    assert.equal(other.receive(other.server, into), 10);
    assert.equal(into.toString('utf8', 0, 10), 'redirected');
    attachment.close();
  });
});

describe('RunStatisticsSwitch', () => {
  it('makes the kernel count the runs of a program', () => {
    noLeak(() => {
      const program = object.program('pass_other');
      using sockets = BpfSockHashMap.create({ name: 'counted', key: u32, maxEntries: 8 });
      using attachment = sockets.attachVerdict(program);
      using pair = tcpPair();
      sockets.set(1, pair.client);
      using counting = RunStatisticsSwitch.enable();
      using again = RunStatisticsSwitch.enable();
      counting.close();
      const before = program.runStatistics();
      for (let i = 0; i < 10; i++) pair.send(pair.client, Buffer.from('counted'));
      const after = program.runStatistics();
      assert.equal(after.runs - before.runs, 10n);
      assert.ok(after.nanoseconds > before.nanoseconds);
      again.close();
      attachment.close();
    });
  });
});
