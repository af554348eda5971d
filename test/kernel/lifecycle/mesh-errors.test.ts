/**
 * What can be wrong from outside: each is an error that says so by its code and says what to do, and nothing is left
 * behind.
 */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  MerbridgeError,
  MeshAccelerator,
  meshProfiles,
  type MapFullError,
  type MeshAcceleratorOptions,
  type VerifierError,
} from 'merbridge';
import { Cgroup, OpenBpfObject } from 'merbridge/bpf';
import { ownedDirectory } from '../../bed/owned';
import { execFileSync, spawnSync } from '../../bed/children';
import { Bed, cgroup2Mount } from '../../bed';
import { HOOKS } from '../../fixtures/hooks';

const ROOT = join(__dirname, '..', '..', '..');
let bed: Bed;
/** A copy of the package, which may be damaged and read by every user. */
let copy: string;
before(async () => {
  bed = Bed.create({ subnet: 81 });
  copy = ownedDirectory('errors');
  chmodSync(copy, 0o755);
  for (const part of ['dist', 'package.json']) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  // What is opened once for good is open now.
  await (await MeshAccelerator.start({ cgroup: bed.cgroupPath, acceleration: 'full' })).close();
});
after(() => {
  bed?.close();
  rmSync(copy, { recursive: true, force: true });
});

const fds = (): string[] => readdirSync('/proc/self/fd');

function attached(): string[] {
  using cgroup = Cgroup.open(bed.cgroupPath);
  return HOOKS.flatMap(attachType => cgroup.programs({ attachType }).map(({ name }) => name));
}

/** Fails if `body` leaves a file descriptor or a program at the cgroup of the bed. */
async function leavesNothing(body: () => Promise<void>): Promise<void> {
  const [open, programs] = [fds().length, attached()];
  await body();
  assert.equal(fds().length, open, 'file descriptors were left open');
  assert.deepEqual(attached(), programs, 'programs were left attached');
}

/** The start must fail with this code, the message must match, and there must be advice. */
async function refuses(
  options: Partial<MeshAcceleratorOptions>,
  code: string,
  message: RegExp,
): Promise<MerbridgeError> {
  let caught: unknown;
  await leavesNothing(async () => {
    await assert.rejects(MeshAccelerator.start({ cgroup: bed.cgroupPath, ...options }), (error: unknown) => {
      caught = error;
      assert.ok(error instanceof MerbridgeError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
  return caught as MerbridgeError;
}

interface Told {
  readonly code?: string;
  readonly name: string;
  readonly message: string;
  readonly hint?: string;
  readonly log?: string;
  readonly missing?: readonly string[];
  /** BPF and cgroup descriptors open after the failure. */
  readonly left: readonly string[];
}

interface ChildOptions {
  readonly root?: string;
  readonly cgroup?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly before?: string;
  readonly through?: readonly [command: string, ...args: string[]];
}

/**
 * Starts an accelerator in a process of its own, three times, and returns the error, which must be the same each time.
 */
function startInChild({
  root = copy,
  cgroup = bed.cgroupPath,
  env = {},
  before: first = '',
  through,
}: ChildOptions): Told {
  const code = `
    const fs = require('fs');
    const m = require(${JSON.stringify(root)});
    ${first}
    const left = () => fs.readdirSync('/proc/self/fd')
      .map(fd => { try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } }).filter(to => /bpf|btf|cgroup/.test(to));
    (async () => {
      const told = [];
      for (let i = 0; i < 3; i++) {
        try {
          const mesh = await m.MeshAccelerator.start({ cgroup: ${JSON.stringify(cgroup)} });
          await mesh.close();
          told.push({ name: 'started', message: '', left: left() });
        } catch (e) {
          told.push({ code: e.code, name: e.name, message: e.message, hint: e.hint, log: e.log, missing: e.missing, left: left() });
        }
      }
      console.log(JSON.stringify(told));
    })();`;
  const [command, ...args] = [...(through ?? []), process.execPath, '-e', code] as [string, ...string[]];
  const run = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 64 << 20,
  });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(run.stderr, '', 'nothing may write to standard error');
  const told = JSON.parse(run.stdout) as Told[];
  for (const one of told) {
    assert.deepEqual(one.left, [], 'left open');
    assert.equal(
      one.message.replace(/\d+/g, 'N'),
      told[0]!.message.replace(/\d+/g, 'N'),
      'the second attempt says the same',
    );
  }
  assert.deepEqual(attached(), []);
  return told[0]!;
}

describe('the environment', () => {
  test('the copy works as it is', () => {
    assert.equal(startInChild({}).name, 'started');
  });

  test('not root', () => {
    const { code, message, hint, missing } = startInChild({
      before: 'process.setgroups([]); process.setgid(65534); process.setuid(65534);',
    });
    assert.equal(code, 'ERR_BPF_PERMISSION', message);
    assert.deepEqual(missing, ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']);
    assert.match(hint ?? '', /root/);
  });

  test('no cgroup2', () => {
    // A mount namespace of its own, private: the machine's mounts stay.
    const unmount =
      'for at in $(awk \'$3 == "cgroup2" { print $2 }\' /proc/mounts); do umount -l $at; done; exec "$0" "$@"';
    const through = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', unmount] as const;
    const gone = startInChild({ through });
    assert.equal(gone.code, 'ERR_BPF_NOT_A_CGROUP', gone.message);
    assert.ok(gone.message.includes(bed.cgroupPath));
    const empty = startInChild({ through, cgroup: cgroup2Mount() });
    assert.equal(empty.code, 'ERR_BPF_NOT_A_CGROUP', empty.message);
    assert.match(empty.hint ?? '', /no cgroup2 is mounted/);
    assert.match(readFileSync('/proc/mounts', 'utf8'), / cgroup2 /);
  });

  test('libbpf missing', () => {
    const { code, message, hint } = startInChild({ env: { MERBRIDGE_LIBBPF: '/nowhere/libbpf.so.1' } });
    assert.equal(code, 'ERR_BPF_LIBRARY_LOAD');
    assert.match(message, /\/nowhere\/libbpf\.so\.1/);
    assert.match(hint ?? '', /Debian and Ubuntu: libbpf1, Fedora: libbpf, Alpine: libbpf.*MERBRIDGE_LIBBPF/);
  });
});

describe('the compiled programs', () => {
  const object = (): string => join(copy, 'dist', 'objects', 'merbridge.bpf.o');
  const original = (): string => join(ROOT, 'dist', 'objects', 'merbridge.bpf.o');

  test('missing', () => {
    rmSync(object());
    const { code, message } = startInChild({});
    assert.equal(code, 'ERR_BPF_OBJECT_FILE');
    assert.match(message, /merbridge\.bpf\.o.*ENOENT/);
  });

  const good = readFileSync(original());
  const damages: Readonly<Record<string, Buffer>> = {
    empty: Buffer.alloc(0),
    'cut in half': good.subarray(0, good.length / 2),
    'no object at all': Buffer.from('<html>not found</html>\n'.repeat(100)),
    'of another machine': readFileSync(process.execPath).subarray(0, 8192),
    'zeroed in the middle': Buffer.concat([
      good.subarray(0, 4096),
      Buffer.alloc(good.length - 8192),
      good.subarray(good.length - 4096),
    ]),
  };
  for (const [how, bytes] of Object.entries(damages)) {
    test(`corrupt: ${how}`, () => {
      writeFileSync(object(), bytes);
      const { code, message } = startInChild({});
      assert.equal(code, 'ERR_BPF_OBJECT_FILE', message);
      assert.match(message, /merbridge/);
    });
  }

  /** Compiles the programs with others beside them, into the copy of the package. */
  function compileWith(before: string, programs: string): void {
    const source = join(copy, 'bpf');
    cpSync(join(ROOT, 'bpf'), source, { recursive: true });
    writeFileSync(join(source, 'refused.bpf.c'), `${before}\n#include "merbridge.bpf.c"\n${programs}`);
    const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
    execFileSync('clang', [
      '-O2',
      '-g',
      '-target',
      'bpf',
      '-mcpu=v3',
      `-I/usr/include/${triplet}`,
      `-I${source}`,
      '-c',
      join(source, 'refused.bpf.c'),
      '-o',
      object(),
    ]);
  }

  test('refused by the verifier: the whole log is in the error', () => {
    compileWith(
      '',
      `SEC("cgroup/connect4")
int mb_refused(struct bpf_sock_addr *ctx)
{
	struct mb_address nobody = {};
	struct mb_pod *unchecked = bpf_map_lookup_elem(&local_pod_ips, &nobody);

	return unchecked->acceleration & 1;
}
`,
    );
    const { code, message, log = '', hint } = startInChild({});
    assert.equal(code, 'ERR_BPF_VERIFIER', message);
    assert.match(message, /mb_refused.*invalid mem access/);
    assert.match(hint ?? '', /log/);
    assert.match(log, /^0: /m, 'from the first instruction');
    assert.match(log, /processed \d+ insns/, 'to the last line');

    using open = OpenBpfObject.openFile(object());
    assert.throws(
      () => open.load(),
      (error: unknown) => (error as VerifierError).program === 'mb_refused',
    );
  });

  test('a helper function that this kernel lacks is named', () => {
    compileWith(
      '',
      `SEC("cgroup/connect4")
int mb_refused(struct bpf_sock_addr *ctx)
{
	return bpf_msg_apply_bytes((void *)ctx, 1) & 1;
}
`,
    );
    const { code, message } = startInChild({});
    assert.equal(code, 'ERR_BPF_NOT_SUPPORTED', message);
    assert.match(message, /"mb_refused".*the BPF helper function bpf_msg_apply_bytes\(\) is not supported here/);
  });

  test('the faster sk_msg program is refused: the other one takes its place', () => {
    compileWith(
      '#define mb_redirect_msg mb_not_the_one',
      `#undef mb_redirect_msg
SEC("sk_msg")
int mb_redirect_msg(struct sk_msg_md *msg)
{
	struct mb_address nobody = {};
	struct mb_pod *unchecked = bpf_map_lookup_elem(&local_pod_ips, &nobody);

	return unchecked->acceleration & 1;
}
`,
    );
    using open = OpenBpfObject.openFile(object());
    assert.throws(
      () => open.load(),
      (error: unknown) => (error as VerifierError).program === 'mb_redirect_msg',
    );
    const { name, message } = startInChild({});
    assert.equal(name, 'started', message);
  });
});

describe('a path that is no cgroup', () => {
  const paths: Readonly<Record<string, [path: () => string, message: RegExp]>> = {
    'a plain directory': [() => copy, /not in a cgroup2 file system/],
    'a missing path': [() => join(bed.cgroupPath, 'nobody'), /no such directory/],
    'a plain file': [() => __filename, /not in a cgroup2 file system/],
    'a file of the cgroup file system': [
      () => join(bed.cgroupPath, 'cgroup.procs'),
      /cannot be opened|not a directory/,
    ],
  };
  for (const [what, [path, message]] of Object.entries(paths)) {
    test(what, async () => {
      const error = await refuses({ cgroup: path() }, 'ERR_BPF_NOT_A_CGROUP', message);
      assert.ok(error.message.includes(path()), 'it names the path');
    });
  }
});

describe('pods', () => {
  test('one more than fit', async () => {
    await leavesNothing(async () => {
      await using mesh = await MeshAccelerator.start({ cgroup: bed.cgroupPath, maxPods: 4 });
      for (let i = 1; i <= 4; i++) mesh.localPodIps.set(`10.9.0.${i}`);
      const full =
        (count: number) =>
        (error: unknown): boolean => {
          const { code, hint, map, maxEntries, count: written } = error as MapFullError;
          assert.deepEqual(
            { code, map, maxEntries, written },
            { code: 'ERR_BPF_MAP_FULL', map: 'local_pod_ips', maxEntries: 4, written: count },
          );
          assert.match(hint ?? '', /larger maxPods/);
          return true;
        };
      assert.throws(() => mesh.localPodIps.set('10.9.0.5'), full(0));
      const told: string[] = [];
      mesh.on('pods', (added, deleted) => told.push(...added, ...deleted));
      mesh.localPodIps.set('::ffff:10.9.0.4', { acceleration: 'full' }); // who is there may change all the same
      assert.equal(mesh.localPodIps.get('10.9.0.4')?.acceleration, 'full');
      mesh.localPodIps.delete('::FFFF:10.9.0.1');
      assert.deepEqual(told, ['10.9.0.4', '10.9.0.1'], 'in the form in which the map gives them back');
      mesh.localPodIps.delete('10.9.0.2');
      assert.throws(() => mesh.localPodIps.setMany(['10.9.0.6', '10.9.0.7', '10.9.0.8']), full(2));
      assert.equal([...mesh.localPodIps].length, 4);
    });
    await refuses(
      { maxPods: 2, pods: ['10.9.0.1', '10.9.0.2', '10.9.0.3'] },
      'ERR_BPF_MAP_FULL',
      /local_pod_ips.*2 entries/,
    );
  });

  test('an address that is none', async () => {
    await leavesNothing(async () => {
      await using mesh = await MeshAccelerator.start({ cgroup: bed.cgroupPath });
      for (const address of [
        '',
        '10.0.0',
        '10.0.0.256',
        '10.0.0.7/24',
        'localhost',
        '10.0.0.7:80',
        ' 10.0.0.7',
        undefined,
        7,
        null,
      ]) {
        const bad = address as string;
        const says = (error: unknown): boolean =>
          error instanceof MerbridgeError && error.code === 'ERR_BPF_INVALID_ADDRESS' && !!error.hint;
        assert.throws(() => mesh.localPodIps.set(bad), says, String(address));
        assert.throws(() => mesh.localPodIps.get(bad), says, String(address));
        assert.throws(
          () =>
            mesh.localPodIps.setMany([
              ['10.0.0.7', {}],
              [bad, {}],
            ]),
          says,
          String(address),
        );
      }
      assert.deepEqual([...mesh.localPodIps], [], 'nothing was written before the check');
    });
    const { hint } = await refuses(
      { pods: ['10.0.0.7', 'pod-7'] },
      'ERR_BPF_INVALID_ADDRESS',
      /"pod-7" is not an IP address/,
    );
    assert.ok(hint);
  });
});

describe('attaching twice', () => {
  test('to the same cgroup, to one below it, and from another process', async () => {
    const pod = bed.pod('below');
    await leavesNothing(async () => {
      await using mesh = await MeshAccelerator.start({ cgroup: bed.cgroupPath });
      const error = await refuses({}, 'ERR_BPF_ALREADY_ATTACHED', /mb_connect4/);
      assert.match(error.hint ?? '', /close the accelerator/);
      await refuses({ cgroup: pod.cgroupPath }, 'ERR_BPF_ALREADY_ATTACHED', /mb_connect4/);
      const other = spawnSync(
        process.execPath,
        [
          '-e',
          `
        require(${JSON.stringify(ROOT)}).MeshAccelerator.start({ cgroup: ${JSON.stringify(bed.cgroupPath)} })
          .then(() => console.log('started'), error => console.log(error.code));`,
        ],
        { encoding: 'utf8', timeout: 120_000 },
      );
      assert.equal(other.stdout.trim(), 'ERR_BPF_ALREADY_ATTACHED', other.stderr);
      assert.equal(mesh.closed, false);
      assert.equal(mesh.counters().hookErrors, 0n, 'the first one is as it was');
    });
    await (await MeshAccelerator.start({ cgroup: bed.cgroupPath })).close();
  });
});

describe('use after close', () => {
  test('every handle, and the accelerator', async () => {
    await using mesh = await MeshAccelerator.start({ cgroup: bed.cgroupPath });
    const { localPodIps, pairOriginalDst, sockPairMap, processIp } = mesh;
    await mesh.close();
    assert.equal(mesh.closed, true);
    const end = { address: '10.0.0.7', port: 80 };
    const uses: Readonly<Record<string, () => unknown>> = {
      set: () => localPodIps.set('10.0.0.7'),
      setMany: () => localPodIps.setMany(['10.0.0.7']),
      get: () => localPodIps.get('10.0.0.7'),
      has: () => localPodIps.has('10.0.0.7'),
      delete: () => localPodIps.delete('10.0.0.7'),
      clear: () => localPodIps.clear(),
      keys: () => [...localPodIps.keys()],
      pods: () => [...localPodIps],
      'pairOriginalDst.get': () => pairOriginalDst.get({ client: end, clientIsn: 1, sidecarPort: 15006 }),
      pairOriginalDst: () => [...pairOriginalDst],
      'sockPairMap.get': () => sockPairMap.get({ local: end, remote: end }),
      'sockPairMap.has': () => sockPairMap.has({ local: end, remote: end }),
      sockPairMap: () => [...sockPairMap],
      'processIp.get': () => processIp.get(1),
      processIp: () => [...processIp],
      counters: () => mesh.counters(),
      'acceleration =': () => {
        mesh.acceleration = 'off';
      },
    };
    for (const [name, use] of Object.entries(uses)) {
      assert.throws(
        use,
        (error: unknown) =>
          error instanceof MerbridgeError && error.code === 'ERR_BPF_CLOSED' && /closed/.test(error.message),
        name,
      );
    }
    await mesh.close();
  });
});

describe('options that make no sense', () => {
  const { istio } = meshProfiles;
  const cases: Readonly<
    Record<string, [options: object, type: typeof TypeError | typeof RangeError, message: RegExp]>
  > = {
    'an unknown option': [{ cgruop: '/x' }, TypeError, /unknown option 'cgruop'/],
    'no cgroup': [{ cgroup: undefined }, TypeError, /cgroup/],
    'an empty path': [{ cgroup: '' }, TypeError, /cgroup/],
    'an unknown scope': [{ acceleration: 'all' }, TypeError, /'off', 'proxies' or 'full', not 'all'/],
    'a scope that only pods have': [{ acceleration: 'inherit' }, TypeError, /'off', 'proxies' or 'full'/],
    'an unknown profile': [{ profile: 'istoi' }, TypeError, /no mesh profile named 'istoi'; there is istio/],
    'a profile by a name of Object': [{ profile: 'toString' }, TypeError, /no mesh profile/],
    'a port out of range': [{ profile: { ...istio, outboundPort: 65536 } }, RangeError, /outboundPort.*65535.*65536/],
    'one port for both': [{ profile: { ...istio, inboundPort: 15001 } }, RangeError, /both 15001/],
    'a passthrough address elsewhere': [
      { profile: { ...istio, passthroughAddress: '10.0.0.6' } },
      TypeError,
      /127\.0\.0\.0\/8/,
    ],
    'no room for a pod': [{ maxPods: 0 }, RangeError, /maxPods/],
    'half a socket': [{ maxSockets: 2.5 }, RangeError, /maxSockets/],
    'a backlog too small': [{ backlogLimit: 4096 }, RangeError, /backlogLimit/],
    'an unknown option of a pod': [
      { pods: [['10.0.0.7', { accelerate: true }]] },
      TypeError,
      /unknown option 'accelerate'/,
    ],
    'an unknown scope of a pod': [
      { pods: [['10.0.0.7', { acceleration: 'some' }]] },
      TypeError,
      /'off', 'proxies' or 'full'/,
    ],
  };
  for (const [what, [options, type, message]] of Object.entries(cases)) {
    test(what, async () => {
      await leavesNothing(async () => {
        await assert.rejects(MeshAccelerator.start({ cgroup: bed.cgroupPath, ...options }), (error: unknown) => {
          assert.ok(error instanceof type, String(error));
          assert.match(error.message, message);
          return true;
        });
      });
    });
  }

  test('of a running accelerator', async () => {
    await using mesh = await MeshAccelerator.start({ cgroup: bed.cgroupPath });
    assert.throws(() => {
      mesh.acceleration = 'none' as 'off';
    }, TypeError);
    assert.equal(mesh.acceleration, 'proxies');
    assert.throws(() => mesh.localPodIps.set('10.0.0.7', { acceleration: 'none' as 'off' }), TypeError);
    assert.equal(mesh.localPodIps.has('10.0.0.7'), false);
  });
});
