/** What an error says of what is missing, where the machine that lacks it is not at hand. */
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  BpfError,
  ForeignPinError,
  NotABpfFileSystemError,
  NotSupportedError,
  VerifierError,
  exhausted,
} from '../../src/errors';
import { whatKernelLacks } from '../../src/mesh/datapath/what-kernel-lacks';
import { typedError } from '../../src/mesh/requirements';
import { addonHint } from '../../src/native/addon';
import { tellingLine } from '../../src/native/log';
import { whyRefused, type Confinement } from '../../src/native/refusal';

test('the line of libbpf that says why, not its last one', () => {
  const cases: readonly (readonly [line: string, ...more: string[]])[] = [
    ['failed to find valid kernel BTF', 'Error loading vmlinux BTF: -3', "failed to load object 'merbridge'"],
    ["map 'probe_sockets': failed to create: Invalid argument(-22)", "failed to load object 'probe'"],
    [
      "prog 'mb_sockops': BPF program load failed: Invalid argument",
      "prog 'mb_sockops': failed to load: -22",
      "failed to load object 'merbridge'",
    ],
  ];
  for (const lines of cases) assert.equal(tellingLine(lines), lines[0]);
  const retried = 'Error in bpf_create_map_xattr(process_ip):Invalid argument(-22). Retrying without BTF.';
  assert.equal(
    tellingLine([retried, "map 'process_ip': failed to create: Invalid argument(-22)"]),
    "map 'process_ip': failed to create: Invalid argument(-22)",
  );
  assert.equal(tellingLine(["failed to load object 'merbridge'"]), "failed to load object 'merbridge'");
  assert.equal(tellingLine([]), undefined);
});

test('what a kernel lacks, by the log of its verifier', () => {
  // Of Linux 5.10.262 and, the last two, 6.18.44.
  const logs: Readonly<Record<string, string | undefined>> = {
    'Func#1 is safe for any args\nArg#0 type PTR in mb_decide() is not supported yet.\nprocessed 387 insns':
      'a BPF function that takes a pointer to memory',
    '373: (85) call bpf_get_current_ancestor_cgroup_id#123\nunknown func bpf_get_current_ancestor_cgroup_id#123\n':
      'the BPF helper function bpf_get_current_ancestor_cgroup_id()',
    'BPF_STX uses reserved fields\nprocessed 0 insns': 'a BPF atomic operation that returns the old value',
    '1: (85) call bpf_msg_apply_bytes#61\nprogram of this type cannot use helper bpf_msg_apply_bytes#61\n':
      'the BPF helper function bpf_msg_apply_bytes()',
    '0: (85) call unknown#9999\ninvalid func unknown#9999\n': 'the BPF helper function 9999',
    "R0 invalid mem access 'map_value_or_null'\nprocessed 9 insns": undefined,
  };
  for (const [log, feature] of Object.entries(logs)) {
    const refused = new VerifierError('mb_connect4', log, { errno: 22 });
    const told = whatKernelLacks(refused);
    assert.equal(told?.feature, feature);
    if (told !== undefined) assert.equal(told.cause, refused);
  }
});

describe('why bpf(2) is refused', () => {
  const free: Confinement = {
    status: 'Seccomp:\t0\n',
    uidMap: '         0          0 4294967295\n',
    limits: '',
    lockdown: undefined,
    release: '6.1.0-28-amd64',
  };
  const cases: Readonly<Record<string, [Partial<Confinement>, RegExp]>> = {
    'nothing that can be seen': [{}, /security module/],
    'a seccomp filter': [{ status: 'Seccomp:\t2\n' }, /seccomp filter.*must allow bpf\(2\)/],
    'a user namespace': [{ uidMap: '0 100000 65536\n' }, /user namespace/],
    'a locked down kernel': [{ lockdown: 'none integrity [confidentiality]\n' }, /locked down.*lockdown=/],
    'lockdown that leaves bpf(2) alone': [{ lockdown: 'none [integrity] confidentiality\n' }, /security module/],
    'RLIMIT_MEMLOCK before Linux 5.11': [
      {
        release: '5.10.0-32-amd64',
        limits: 'Max locked memory         65536                65536                bytes\n',
      },
      /RLIMIT_MEMLOCK, which is 65536 bytes.*ulimit -l unlimited/,
    ],
    'no limit before Linux 5.11': [
      {
        release: '5.10.0-32-amd64',
        limits: 'Max locked memory         unlimited            unlimited            bytes\n',
      },
      /security module/,
    ],
    'RLIMIT_MEMLOCK where the kernel does not count it': [
      { limits: 'Max locked memory         65536                65536                bytes\n' },
      /security module/,
    ],
    'no /proc': [{ status: undefined }, /mount -t proc proc \/proc/],
    'two at once': [{ status: 'Seccomp:\t2\n', uidMap: '0 1000 1\n' }, /user namespace.*; and a seccomp filter/],
  };
  for (const [what, [found, pattern]] of Object.entries(cases))
    test(what, () => assert.match(whyRefused({ ...free, ...found }), pattern));
});

describe('why the native addon does not load', () => {
  const machine = { platform: 'linux', arch: 'x64', glibc: '2.36' };
  const failed = (message: string, code?: string): Error => Object.assign(new Error(message), { code });
  const cases: Readonly<Record<string, [error: Error, other: object, RegExp]>> = {
    musl: [
      failed('Error loading shared library ld-linux-x86-64.so.2: No such file or directory', 'ERR_DLOPEN_FAILED'),
      { glibc: undefined },
      /musl.*glibc/,
    ],
    'another operating system': [
      failed('No native build was found for platform=darwin'),
      { platform: 'darwin', glibc: undefined },
      /no binary for darwin on x64/,
    ],
    'another architecture': [
      failed('No native build was found for platform=linux arch=s390x'),
      { arch: 's390x' },
      /no binary for linux on s390x/,
    ],
    'a module that is not there': [
      failed("Cannot find module 'ffi-napi'", 'MODULE_NOT_FOUND'),
      {},
      /Do not bundle merbridge/,
    ],
    'files that may not be read': [
      failed('Access to this API has been restricted', 'ERR_ACCESS_DENIED'),
      {},
      /--allow-fs-read/,
    ],
    'too old a glibc': [
      failed("version `GLIBC_2.38' not found", 'ERR_DLOPEN_FAILED'),
      {},
      /glibc 2\.36, x64.*install the package on this machine/,
    ],
  };
  for (const [what, [error, other, pattern]] of Object.entries(cases))
    test(what, () => assert.match(addonHint(error, { ...machine, ...other }), pattern));
});

describe('a limit that was met', () => {
  const raw = Object.assign(new Error('EMFILE: too many open files, scandir'), {
    code: 'EMFILE',
    syscall: 'scandir',
    path: '/x',
    errno: -24,
  });

  test('is told instead of what failed because of it', () => {
    const told = exhausted(
      new ForeignPinError('/x', 'it cannot be opened as a map', {
        cause: new BpfError('ERR_BPF_SYSTEM_CALL', { errno: 24, operation: 'bpf_obj_get' }),
      }),
    );
    assert.equal(told?.code, 'ERR_BPF_SYSTEM_CALL');
    assert.equal(told?.errnoName, 'EMFILE');
    assert.match(`${told?.hint}`, /RLIMIT_NOFILE/);
    assert.match(exhausted(raw)?.message ?? '', /^scandir \/x: EMFILE/);
    assert.equal(exhausted(new ForeignPinError('/x', 'a symbolic link')), undefined);
    assert.equal(exhausted(undefined), undefined);
  });

  test('errors of the file system become those of this library, others stay', () => {
    const readOnly = Object.assign(new Error('EROFS'), {
      code: 'EROFS',
      syscall: 'mkdir',
      path: '/sys/fs/bpf/x',
      errno: -30,
    });
    assert.ok(typedError(readOnly) instanceof NotABpfFileSystemError);
    assert.equal((typedError(raw) as BpfError).errnoName, 'EMFILE');
    let missing: unknown;
    try {
      openSync('/nowhere', 'r');
    } catch (error) {
      missing = error;
    }
    assert.match((typedError(missing) as BpfError).message, /^open \/nowhere: ENOENT/);
    const noProc = new NotSupportedError('opening pins without /proc');
    assert.equal(typedError(new ForeignPinError('/x', 'it cannot be opened as a link', { cause: noProc })), noProc);
    for (const error of [new TypeError('x'), new ForeignPinError('/x', 'y'), new Error('of the caller'), 'text'])
      assert.equal(typedError(error), error);
  });
});
