import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';

import {
  AlreadyAttachedError,
  BpfError,
  ClosedError,
  ForeignPinError,
  InvalidAddressError,
  IterationAbortedError,
  KernelAdvisoryError,
  LibraryLoadError,
  MapFullError,
  MapIncompatibleError,
  MerbridgeError,
  NotABpfFileSystemError,
  NotACgroupError,
  NotPinnedError,
  NotSupportedError,
  ObjectFileError,
  PermissionError,
  PinConflictError,
  PinsInUseError,
  PodRulesError,
  UnreadNotCountedError,
  VerifierError,
  errnoName,
  errnoNumber,
  errnoText,
} from '../../src/errors';

const all: Array<[MerbridgeError, string, string]> = [
  [new VerifierError('prog', 'log\n'), 'VerifierError', 'ERR_BPF_VERIFIER'],
  [new NotSupportedError('batches', { minimumKernel: '5.6' }), 'NotSupportedError', 'ERR_BPF_NOT_SUPPORTED'],
  [new PermissionError(['CAP_BPF']), 'PermissionError', 'ERR_BPF_PERMISSION'],
  [
    new MapIncompatibleError([{ property: 'type', expected: 'hash', actual: 'array' }]),
    'MapIncompatibleError',
    'ERR_BPF_MAP_INCOMPATIBLE',
  ],
  [new MapFullError('pods', 8, 3), 'MapFullError', 'ERR_BPF_MAP_FULL'],
  [new IterationAbortedError(9), 'IterationAbortedError', 'ERR_BPF_ITERATION_ABORTED'],
  [new ClosedError('map "pods"'), 'ClosedError', 'ERR_BPF_CLOSED'],
  [new LibraryLoadError(['libbpf.so.1']), 'LibraryLoadError', 'ERR_BPF_LIBRARY_LOAD'],
  [new NotACgroupError('/tmp', 'no'), 'NotACgroupError', 'ERR_BPF_NOT_A_CGROUP'],
  [
    new AlreadyAttachedError('cgroup /x', [{ id: 7, name: 'cil_sock4' }]),
    'AlreadyAttachedError',
    'ERR_BPF_ALREADY_ATTACHED',
  ],
  [new ObjectFileError('x.o', 'the file is empty'), 'ObjectFileError', 'ERR_BPF_OBJECT_FILE'],
  [
    new KernelAdvisoryError('6.14.1', [{ id: 'CVE-2025-38154', summary: 'x', fixedIn: '6.15.3', certain: true }]),
    'KernelAdvisoryError',
    'ERR_BPF_KERNEL_ADVISORY',
  ],
  [new NotABpfFileSystemError('/tmp', 'no'), 'NotABpfFileSystemError', 'ERR_BPF_NOT_A_BPFFS'],
  [new ForeignPinError('/x', 'a symbolic link'), 'ForeignPinError', 'ERR_BPF_FOREIGN_PIN'],
  [new PinsInUseError('/x', 7), 'PinsInUseError', 'ERR_BPF_PINS_IN_USE'],
  [new PinConflictError('/x', 'cgroup', { pinned: '/a', wanted: '/b' }), 'PinConflictError', 'ERR_BPF_PIN_CONFLICT'],
  [new NotPinnedError('/x'), 'NotPinnedError', 'ERR_BPF_NOT_PINNED'],
  [
    new PodRulesError([{ name: 'excludeOutboundPorts', position: 1, entry: 'x', reason: 'is not a port' }]),
    'PodRulesError',
    'ERR_BPF_POD_RULES',
  ],
  [new UnreadNotCountedError('6.1.0'), 'UnreadNotCountedError', 'ERR_BPF_UNREAD_NOT_COUNTED'],
  [new InvalidAddressError('10.0.0', 'hint'), 'InvalidAddressError', 'ERR_BPF_INVALID_ADDRESS'],
];

describe('the error family', () => {
  for (const [error, name, code] of all) {
    it(`${name} has its name, its code and its base`, () => {
      assert.ok(error instanceof Error);
      assert.ok(error instanceof MerbridgeError);
      assert.equal(error.name, name);
      assert.equal(error.code, code);
      assert.ok(error.message.length > 0);
      assert.doesNotMatch(error.message, /undefined|\[object/);
      assert.match(String(error.stack), new RegExp(name));
    });
  }

  it('tells its members apart', () => {
    const beyondKernel = all
      .map(([error]) => error)
      .filter(error => !(error instanceof BpfError))
      .map(({ code }) => code)
      .sort();
    assert.deepEqual(beyondKernel, [
      'ERR_BPF_CLOSED',
      'ERR_BPF_INVALID_ADDRESS',
      'ERR_BPF_KERNEL_ADVISORY',
      'ERR_BPF_NOT_PINNED',
      'ERR_BPF_PINS_IN_USE',
      'ERR_BPF_PIN_CONFLICT',
      'ERR_BPF_POD_RULES',
      'ERR_BPF_UNREAD_NOT_COUNTED',
    ]);
    assert.ok(!(all[0]?.[0] instanceof MapFullError));
    assert.ok(!((new Error('x') as unknown) instanceof BpfError));
    assert.ok(!((null as unknown) instanceof BpfError));
  });

  it('is recognised by another copy of the library', () => {
    const files = Object.keys(require.cache).filter(file => file.includes('/src/errors/'));
    for (const file of files) delete require.cache[file];
    const copy = require('../../src/errors') as typeof import('../../src/errors');
    const error = new copy.MapFullError('pods', 1, 0);
    assert.notEqual(copy.MapFullError, MapFullError);
    assert.ok(error instanceof MapFullError);
    assert.ok(error instanceof BpfError);
    assert.ok(error instanceof MerbridgeError);
    assert.ok(!((error as unknown) instanceof VerifierError));
  });

  it('leaves subclasses of users alone', () => {
    class Mine extends BpfError {}
    assert.ok(new Mine('ERR_BPF_SYSTEM_CALL') instanceof Mine);
    assert.ok(new Mine('ERR_BPF_SYSTEM_CALL') instanceof BpfError);
    assert.ok(!(new BpfError('ERR_BPF_SYSTEM_CALL') instanceof Mine));
  });
});

describe('the message', () => {
  it('is operation, subject, name, text and hint', () => {
    const error = new BpfError('ERR_BPF_SYSTEM_CALL', {
      errno: 1,
      operation: 'bpf_map_create',
      subject: 'hash map "pods"',
    });
    assert.match(
      error.message,
      /^bpf_map_create hash map "pods": EPERM operation not permitted \(needs root, or CAP_BPF \+ CAP_NET_ADMIN/,
    );
    assert.equal(error.errnoName, 'EPERM');
  });

  it('takes a hint of the caller over that of the table', () => {
    assert.equal(
      new BpfError('ERR_BPF_SYSTEM_CALL', { errno: 22, operation: 'bpf_link_create', hint: 'mine' }).hint,
      'mine',
    );
    assert.match(
      String(new BpfError('ERR_BPF_SYSTEM_CALL', { errno: 22, operation: 'bpf_link_create' }).hint),
      /attach type/,
    );
    assert.match(
      String(new BpfError('ERR_BPF_SYSTEM_CALL', { errno: 22, operation: 'bpf_obj_pin' }).hint),
      /mount -t bpf/,
    );
  });

  it('shows no properties that are not known', () => {
    const shown = inspect(new BpfError('ERR_BPF_SYSTEM_CALL', { errno: 9 }));
    assert.doesNotMatch(shown, /undefined/);
  });

  it('names what is full', () => {
    assert.match(
      new MapFullError('pods', 8, 3).message,
      /map "pods": the map is full: it holds 8 entries; 3 .*\(raise maxEntries/,
    );
  });

  it('lists every difference', () => {
    const error = new MapIncompatibleError(
      [
        { property: 'keySize', expected: 16, actual: 4 },
        { property: 'valueSize', expected: 4, actual: 8 },
      ],
      { subject: 'map "pods"' },
    );
    assert.equal(
      error.message,
      'map "pods": keySize is 4 in the map but 16 was expected, valueSize is 8 in the map but 4 was expected',
    );
  });

  it('names the packages of libbpf', () => {
    const { message } = new LibraryLoadError(['libbpf.so.1']);
    for (const part of ['libbpf.so.1', 'libbpf1', 'Fedora: libbpf', 'Alpine: libbpf', 'MERBRIDGE_LIBBPF'])
      assert.ok(message.includes(part), part);
  });
});

describe('VerifierError', () => {
  const log = `${Array.from({ length: 5000 }, (_, i) => `${i}: (b7) r0 = ${i}`).join('\n')}\nR1 invalid mem access 'scalar'\nprocessed 9 insns (limit 1000000)\n\n`;

  it('quotes the last telling lines', () => {
    const { message } = new VerifierError('p', log);
    assert.match(message, /R1 invalid mem access 'scalar'/);
    assert.doesNotMatch(message, /processed/);
    assert.doesNotMatch(message, /r0 = 100\b/);
  });

  it('prints the whole log, once', () => {
    const shown = inspect(new VerifierError('p', log));
    assert.ok(shown.includes(log.trimEnd()));
    assert.equal(shown.split('1234: (b7)').length, 2);
  });

  it('copes with an empty log', () => {
    assert.match(new VerifierError(undefined, '').message, /the log is empty/);
  });
});

describe('error numbers', () => {
  it('have names and texts, both ways', () => {
    assert.equal(errnoName(2), 'ENOENT');
    assert.equal(errnoNumber('E2BIG'), 7);
    assert.equal(errnoName(524), 'ENOTSUPP');
    assert.equal(errnoName(4001), 'LIBBPF_ERRNO__FORMAT');
    assert.equal(errnoName(99_999), 'errno 99999');
    assert.equal(errnoText(99_999), 'unknown error');
    assert.equal(errnoNumber('NOTHING'), undefined);
  });
});
