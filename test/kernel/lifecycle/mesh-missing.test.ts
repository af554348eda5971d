/**
 * What is missing is named: the feature, the option of the kernel, the way out; by a start, by diagnose() once, and by
 * a load of one's own.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { detachAll, objectPath, type AttachTypeName } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { ownedCgroupPath } from '../../bed/owned';
import { execFileSync, spawnSync } from '../../bed/children';
import { bundle } from '../../fixtures/bundle';
import { Bpffs } from '../../fixtures/bpffs';
import { diagnoses, inChild, program, starts, type ChildOptions, type Told } from '../../fixtures/in-child';
import { HOOKS } from '../../fixtures/hooks';
import { ROOT, scratch } from '../../fixtures/support';

let cgroup: Cgroup;
before(() => {
  cgroup = Cgroup.create(ownedCgroupPath('missing'));
});
after(() => cgroup.remove());

const attached = (): unknown[] => HOOKS.flatMap((attachType: AttachTypeName) => cgroup.programs({ attachType }));

/** The start must fail with this code, and leave nothing. */
function refused(code: string, options: ChildOptions = {}, more: object = {}): Told {
  const told = inChild(starts({ cgroup: cgroup.path, ...more }), options);
  assert.equal(told.code, code, told.message);
  assert.ok(told.hint, 'there is no advice');
  assert.deepEqual(attached(), []);
  return told;
}

/** The diagnosis must name it, and once. */
function diagnosed(pattern: RegExp, options: ChildOptions): string {
  const { problems } = inChild(diagnoses({ cgroup: cgroup.path }), options);
  assert.equal(problems?.length, 1, problems?.join('\n'));
  assert.match(problems[0]!, pattern);
  assert.ok(problems[0]!.split(pattern).length >= 2);
  return problems[0]!;
}

/** A shell that prepares a mount namespace of the child's own, then becomes the child. */
const inMounts = (commands: string): readonly string[] => [
  'unshare',
  '-m',
  '--propagation',
  'private',
  'sh',
  '-ec',
  `${commands}; exec "$0" "$@"`,
];

/** A directory in which there is nothing. */
function nothing(): string {
  const path = join(scratch(), 'nothing');
  mkdirSync(path, { recursive: true });
  return path;
}

describe('types of the kernel', () => {
  const through = (): readonly string[] => inMounts(`mount --bind ${nothing()} /sys/kernel/btf`);

  test('no BTF: a start and diagnose() say so, with CONFIG_DEBUG_INFO_BTF', () => {
    const { message, hint, kernelOption } = refused('ERR_BPF_NOT_SUPPORTED', { through: through() });
    assert.equal(kernelOption, 'CONFIG_DEBUG_INFO_BTF');
    assert.match(message, /BTF.*CONFIG_DEBUG_INFO_BTF/);
    assert.match(hint!, /\/sys\/kernel\/btf\/vmlinux/);
    diagnosed(/^BTF: BTF, the type information of the kernel, .*CONFIG_DEBUG_INFO_BTF/, { through: through() });
  });

  test('the BTF of modules is not needed: that of the kernel is enough', () => {
    // BPF_BTF_GET_NEXT_ID: libbpf finds no other BTF than /sys/kernel/btf/vmlinux.
    const { name, message } = inChild(starts({ cgroup: cgroup.path }), {
      through: without('--command', '23', '--error', 'ENOENT'),
    });
    assert.equal(name, 'ended', message);
  });

  test('no BTF: so does loading an object', () => {
    const { code, kernelOption } = inChild(
      `require(${JSON.stringify(join(ROOT, 'dist', 'bpf'))}).OpenBpfObject.openFile(${JSON.stringify(objectPath('merbridge'))}).load()`,
      { through: through() },
    );
    assert.deepEqual({ code, kernelOption }, { code: 'ERR_BPF_NOT_SUPPORTED', kernelOption: 'CONFIG_DEBUG_INFO_BTF' });
  });
});

/** bpf(2) answers as a kernel would that was built without these, see test/fixtures/without-bpf.py. */
const without = (...options: string[]): readonly string[] => [
  'python3',
  join(ROOT, 'test', 'fixtures', 'without-bpf.py'),
  ...options,
  '--',
];

describe('features of the kernel', () => {
  const cases: readonly (readonly [
    what: string,
    options: readonly string[],
    feature: RegExp,
    option: string | undefined,
  ])[] = [
    ['sockmap', ['--map', '15,18'], /^sockmap \(BPF_MAP_TYPE_SOCKHASH\)$/, 'CONFIG_INET'],
    ['sk_storage', ['--map', '24'], /^sk_storage /, 'CONFIG_NET'],
    ['cgroup programs', ['--program', '8,9,15,18,23,25'], /^attaching programs to cgroups /, 'CONFIG_CGROUP_BPF'],
    ['sockops', ['--program', '13'], /^sockops /, 'CONFIG_NET'],
    ['sk_msg', ['--program', '16'], /^sk_msg /, 'CONFIG_NET'],
    ['LPM trie', ['--map', '11'], /^LPM trie /, undefined],
    ['ring buffer', ['--map', '27'], /^ring buffer /, undefined],
    ['array of maps', ['--map', '12'], /^BPF_MAP_TYPE_ARRAY_OF_MAPS$/, undefined],
    [
      'bpf(2), by a kernel without CONFIG_BPF_SYSCALL',
      ['--every', '--error', 'ENOSYS'],
      /^the system call bpf\(\)$/,
      'CONFIG_BPF_SYSCALL',
    ],
  ];
  for (const [what, options, feature, option] of cases)
    test(`no ${what}: a start names it, diagnose() once, a load of an object too`, () => {
      const through = without(...options);
      const told = refused('ERR_BPF_NOT_SUPPORTED', { through });
      assert.match(told.feature!, feature);
      assert.equal(told.kernelOption, option);
      diagnosed(new RegExp(feature.source.replace(/[$^]/g, '')), { through });
      const loaded = inChild(
        `require(${JSON.stringify(join(ROOT, 'dist', 'bpf'))}).OpenBpfObject.openFile(${JSON.stringify(objectPath('merbridge'))}).load().close()`,
        { through },
      );
      assert.equal(loaded.feature, told.feature, loaded.message);
    });
});

describe('permission', () => {
  test('bpf(2) is refused by a seccomp filter: it says so, and not that capabilities are missing', () => {
    const through = without('--every', '--error', 'EPERM');
    const { missing, hint } = refused('ERR_BPF_PERMISSION', { through });
    assert.deepEqual(missing, []);
    assert.match(hint!, /seccomp filter.*must allow bpf\(2\)/);
    diagnosed(/^bpf\(2\): .*seccomp filter/, { through });
  });

  test('one type is refused: it is not called missing', () => {
    for (const options of [
      ['--program', '16'],
      ['--map', '18'],
    ])
      assert.match(
        refused('ERR_BPF_PERMISSION', { through: without(...options, '--error', 'EPERM') }).message,
        /sk_msg|sockhash/,
      );
  });

  test('root of a user namespace', () => {
    const { hint, missing } = refused('ERR_BPF_PERMISSION', { through: ['unshare', '--user', '--map-root-user'] });
    assert.deepEqual(missing, []);
    assert.match(hint!, /user namespace.*hostUsers/);
  });
});

describe('file descriptors', () => {
  const limited = (limit: number): readonly string[] => ['sh', '-c', `ulimit -n ${limit}; exec "$0" "$@"`];
  /** Where Node.js itself can load the package. */
  const FIRST = 20;

  /** From the lowest limit on, each start says EMFILE, until one succeeds. Returns that limit. */
  function smallest(options: object, step: number, each: () => void): number {
    for (let limit = FIRST; limit < 200; limit += step) {
      const told = inChild(starts({ cgroup: cgroup.path, ...options }), { through: limited(limit) });
      if (told.name === 'ended') return limit;
      assert.deepEqual(
        { limit, code: told.code, errno: told.errnoName },
        { limit, code: 'ERR_BPF_SYSTEM_CALL', errno: 'EMFILE' },
        told.message,
      );
      assert.match(told.hint ?? '', /RLIMIT_NOFILE/);
      each();
    }
    throw new Error('no limit is enough');
  }

  test('too few are EMFILE at every step of a start', t => {
    const limit = smallest({ pods: ['10.0.0.7'], events: true }, 1, () => assert.deepEqual(attached(), []));
    t.diagnostic(`${limit - FIRST} limits below ${limit} were tried, from ${FIRST} on`);
    assert.ok(limit < 80, `${limit}`);
  });

  test('too few are EMFILE at every step of a start with pins, and of one that takes them over', async t => {
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    const options = { pods: ['10.0.0.7'], events: true, pinDirectory };
    const first = smallest(options, 3, () => {
      assert.deepEqual(attached(), []);
      assert.deepEqual(
        bpffs.entries('.').filter(name => !name.endsWith('.debug')),
        [],
      );
    });
    const programs = attached();
    assert.equal(programs.length, HOOKS.length);
    const second = smallest(options, 3, () => assert.deepEqual(attached(), programs));
    t.diagnostic(`the first start works from ${first} on, the one that takes over from ${second}`);
    assert.ok(first < 80 && second < 120, `${first}, ${second}`);
    await detachAll({ pinDirectory });
    assert.deepEqual(attached(), []);
  });

  test('diagnose() does not call a feature missing for want of them', () => {
    const { problems } = inChild(diagnoses({ cgroup: cgroup.path }), { through: limited(26) });
    assert.ok(problems!.length > 0);
    for (const problem of problems!) assert.match(problem, /EMFILE/);
  });
});

describe('file systems', () => {
  test('a BPF file system that is mounted read-only', async () => {
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    const set = (how: 'ro' | 'rw'): void => {
      execFileSync('mount', ['-o', `remount,${how}`, bpffs.path]);
    };
    set('ro');
    assert.match(
      refused('ERR_BPF_NOT_A_BPFFS', {}, { pinDirectory }).message,
      /mounted read-only.*mount -o remount,rw/,
    );
    set('rw');
    assert.equal(inChild(starts({ cgroup: cgroup.path, pinDirectory })).name, 'ended');
    const programs = attached();
    set('ro');
    const told = inChild(starts({ cgroup: cgroup.path, pinDirectory }));
    assert.equal(told.code, 'ERR_BPF_NOT_A_BPFFS', told.message);
    assert.match(told.message, /mounted read-only/);
    await assert.rejects(detachAll({ pinDirectory }), { code: 'ERR_BPF_NOT_A_BPFFS', message: /mounted read-only/ });
    assert.deepEqual(attached(), programs, 'what cannot be removed is not detached');
    set('rw');
    await detachAll({ pinDirectory });
  });

  test('no /proc: it is not needed but for pins, and then named', async () => {
    const through = inMounts(`mount --bind ${nothing()} /proc`);
    assert.equal(inChild(starts({ cgroup: cgroup.path }), { through }).name, 'ended');
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    assert.equal(inChild(starts({ cgroup: cgroup.path, pinDirectory })).name, 'ended');
    const told = inChild(starts({ cgroup: cgroup.path, pinDirectory }), { through });
    assert.match(told.message, /\/proc/);
    assert.match(`${told.hint}`, /mount -t proc proc \/proc/);
    assert.match(inChild(starts({ cgroup: '/tmp' }), { through }).message, /mount -t proc proc \/proc/);
    assert.deepEqual(inChild(diagnoses({ cgroup: cgroup.path }), { through }).problems, []);
    await detachAll({ pinDirectory });
  });
});

describe('libbpf', () => {
  const withLibbpf = (path: string): Told => refused('ERR_BPF_LIBRARY_LOAD', { env: { MERBRIDGE_LIBBPF: path } });
  const real = (): string => {
    const path = /\s(\/\S*libbpf\S*)$/m.exec(
      spawnSync(
        process.execPath,
        [
          '-e',
          `try { require(${JSON.stringify(join(ROOT, 'dist', 'bpf'))}).Cgroup.open(${JSON.stringify(cgroup.path)}).programs({ attachType: 'sockops' }) } catch {}
      console.log(require('fs').readFileSync('/proc/self/maps', 'latin1'))`,
        ],
        { encoding: 'utf8' },
      ).stdout,
    )?.[1];
    assert.ok(path);
    return path;
  };
  const written = (name: string, change: (bytes: Buffer) => Buffer): string => {
    const path = join(scratch(), name);
    writeFileSync(path, change(readFileSync(real())));
    return path;
  };

  test('too old: its version, and the packages', () => {
    const [source, path] = [join(scratch(), 'old.c'), join(scratch(), 'libbpf-old.so')];
    writeFileSync(
      source,
      'unsigned libbpf_major_version(void) { return 0; }\nunsigned libbpf_minor_version(void) { return 8; }\n',
    );
    execFileSync('clang', ['-shared', '-fPIC', '-nostdlib', '-o', path, source]);
    const { message, version } = withLibbpf(path);
    assert.match(message, /libbpf 0\.8 is too old.*libbpf1/);
    assert.equal(version, '0.8');
  });

  test('another library', () => {
    const path = /\s(\/\S*\/libc\.so\.6)$/m.exec(readFileSync('/proc/self/maps', 'latin1'))?.[1];
    assert.match(withLibbpf(path!).message, /it is not libbpf/);
  });

  test('there, but not what it needs itself', () => {
    const path = written('libbpf-alone.so', bytes =>
      Buffer.from(bytes.toString('latin1').replaceAll('libelf.so.1', 'libxxx.so.1'), 'latin1'),
    );
    assert.match(withLibbpf(path).message, /needs libxxx\.so\.1, which is missing/);
  });

  test('there, but of another machine', () => {
    const path = written('libbpf-other.so', bytes => {
      bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
      return bytes;
    });
    assert.match(withLibbpf(path).hint!, /exists, but is not for this machine/);
  });
});

describe('the native addon', () => {
  /** The package with a copy of the addon, to be damaged. */
  function copy(name: string): string {
    const root = join(scratch(), name);
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    for (const part of ['dist', 'package.json']) symlinkSync(join(ROOT, part), join(root, part));
    cpSync(join(ROOT, 'dist'), join(root, 'own', 'dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(root, 'own', 'package.json'));
    for (const each of readdirSync(join(ROOT, 'node_modules')))
      if (each !== 'ffi-napi' && !each.startsWith('.'))
        symlinkSync(join(ROOT, 'node_modules', each), join(root, 'node_modules', each));
    cpSync(join(ROOT, 'node_modules', 'ffi-napi'), join(root, 'node_modules', 'ffi-napi'), {
      recursive: true,
      dereference: true,
    });
    return join(root, 'own');
  }
  const addonOf = (root: string): string => join(root, '..', 'node_modules', 'ffi-napi');
  const binary = (root: string): string => {
    const folder = join(addonOf(root), 'prebuilds', `linux-${process.arch}`);
    return join(folder, readdirSync(folder)[0]!);
  };
  const says = (pattern: RegExp, options: ChildOptions): void => {
    const told = refused('ERR_BPF_LIBRARY_LOAD', options);
    assert.match(told.hint!, pattern);
    assert.doesNotMatch(told.message, /libbpf could not be loaded|prebuilt/);
  };

  test('the copy works as it is', () => {
    assert.equal(inChild(starts({ cgroup: cgroup.path }), { root: copy('whole') }).name, 'ended');
  });

  test('Node.js was told to load none', () => says(/--allow-addons.*--no-addons/, { flags: ['--no-addons'] }));

  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  test('the permission model lets none in', () =>
    says(/--allow-addons/, { flags: [permission, '--allow-fs-read=*', '--allow-fs-write=*', '--no-warnings'] }));

  test('in a bundle', () => {
    const [entry, folder] = [join(ROOT, 'dist', 'index.js'), join(scratch(), 'bundled')];
    mkdirSync(folder);
    bundle(entry, join(folder, 'bundle.js'));
    const file = join(folder, 'main.js');
    writeFileSync(join(scratch(), 'main.js'), program(starts({ cgroup: cgroup.path }), entry));
    bundle(join(scratch(), 'main.js'), file);
    const run = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', timeout: 240_000 });
    const told = JSON.parse(run.stdout) as Told;
    assert.equal(told.code, 'ERR_BPF_LIBRARY_LOAD', told.message);
    assert.match(told.hint!, /Do not bundle merbridge.*--external:merbridge/);
    assert.match(told.message, /native addon ffi-napi could not be loaded: No native build was found/);
  });

  test('of another machine', () => {
    const root = copy('other-machine');
    const bytes = readFileSync(binary(root));
    bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    writeFileSync(binary(root), bytes);
    says(/does not fit this machine \(glibc [\d.]+, \w+\)/, { root });
  });

  test('its file system is mounted noexec', () => {
    const root = copy('noexec');
    const at = addonOf(root);
    says(/mounted noexec/, { root, through: inMounts(`mount --bind ${at} ${at}; mount -o remount,bind,noexec ${at}`) });
  });
});
