import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { findMountPoint } from '../../../src/bpf/cgroup';
import { NotACgroupError, NotSupportedError } from '../../../src/errors';
import { collectLog, libbpf, libbpfSymbol, libbpfVersion, opts, optsSize } from '../../../src/native';
import { LIBBPF_FUNCTIONS } from '../../../src/native/symbols';

describe('the binding', () => {
  it('finds every function of its table', () => {
    for (const [name, row] of Object.entries(LIBBPF_FUNCTIONS)) assert.ok(libbpfSymbol(name, row).length >= 0, name);
    assert.match(libbpfVersion(), /^\d+\.\d+$/);
  });

  it('names the release that has a missing function, and the packages', () => {
    assert.throws(
      () => libbpfSymbol('bpf_nothing__at_all', { returns: 'int', args: [], since: '9.9' }),
      (error: unknown) => {
        assert.ok(error instanceof NotSupportedError);
        assert.equal(error.minimumLibbpf, '9.9');
        assert.match(error.message, /bpf_nothing__at_all.*libbpf 9\.9.*libbpf1/);
        return true;
      },
    );
  });

  it('lays out option structs as the compiler does', () => {
    const sizes = {
      bpf_object_open_opts: 80,
      bpf_map_create_opts: 48,
      bpf_map_batch_opts: 24,
      bpf_link_update_opts: 16,
    } as const;
    for (const [name, size] of Object.entries(sizes)) assert.equal(optsSize(name as keyof typeof sizes), size, name);
    const bytes = opts('bpf_object_open_opts', { kernel_log_level: 5, kernel_log_buf: 0x1234 });
    assert.equal(bytes.readUInt32LE(0), 80);
    assert.equal(bytes.readUInt32LE(56), 0x1234);
    assert.equal(bytes.readUInt32LE(72), 5);
    assert.deepEqual(
      [...bytes.subarray(8, 56), ...bytes.subarray(76)].filter(byte => byte !== 0),
      [],
    );
  });

  it('collects what libbpf prints', () => {
    const garbage = Buffer.from('this is not an object file');
    for (let i = 0; i < 20; i++) {
      const { result, lines } = collectLog(() =>
        libbpf.bpf_object__open_mem(garbage, garbage.length, opts('bpf_object_open_opts', {})),
      );
      assert.equal(result, 0);
      assert.ok(
        lines.some(line => /not a proper ELF/.test(line)),
        lines.join(),
      );
    }
  });
});

describe('findMountPoint', () => {
  it('takes the first cgroup2 line and undoes the escapes', () => {
    const mounts =
      'proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /mnt/my\\040cgroup cgroup2 rw 0 0\nx /y cgroup2 rw 0 0\n';
    assert.equal(findMountPoint(mounts), '/mnt/my cgroup');
    assert.throws(() => findMountPoint('proc /proc proc rw 0 0\n'), NotACgroupError);
  });
});
