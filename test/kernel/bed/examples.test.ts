/** The examples as a user runs them: by the name of the package, in a cgroup of their own, ended by SIGTERM. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { MeshAccelerator, detachAll } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { ownedDirectory } from '../../bed/owned';
import { TYPESCRIPT, spawn } from '../../bed/children';
import { Bed } from '../../bed';
import { Bpffs } from '../../fixtures/bpffs';

const examples = join(__dirname, '..', '..', '..', 'examples');

/** How examples/README.md runs them; one of them here, as it takes a second of CPU time longer. */
const TS_NODE = ['-r', 'ts-node/register/transpile-only'];

/**
 * Runs an example until it has printed a line for each pattern, in that order; then ends it. Returns what it printed
 * afterwards.
 */
async function run(
  file: string,
  args: readonly string[],
  expected: readonly (readonly [RegExp, ((line: string) => void | Promise<void>)?])[],
  endsByItself = false,
  complaint?: RegExp,
): Promise<string> {
  await using child = killed(
    spawn(process.execPath, [...(file === 'quickstart.ts' ? TS_NODE : TYPESCRIPT), join(examples, file), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: join(examples, '..'),
    }),
  );
  const { process: example, exited } = child;
  let errors = '';
  example.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const lines = createInterface({ input: example.stdout })[Symbol.asyncIterator]();
  for (const [pattern, then] of expected) {
    let line: string;
    do {
      const { value, done } = await lines.next();
      if (done) assert.fail(`${file} ended without a line like ${pattern}\n${errors}`);
      line = value;
    } while (!pattern.test(line));
    await then?.(line);
  }
  if (!endsByItself) example.kill('SIGTERM');
  let rest = '';
  for (let line = await lines.next(); !line.done; line = await lines.next()) rest += `${line.value}\n`;
  assert.deepEqual(await exited, [0, null], errors);
  if (complaint) assert.match(errors, complaint);
  else assert.equal(errors, '');
  return rest;
}

/** A child that does not outlive its test. */
function killed<C extends ReturnType<typeof spawn>>(
  child: C,
): { process: C; exited: Promise<unknown[]> } & AsyncDisposable {
  const exited = once(child, 'close');
  return {
    process: child,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** A cgroup to attach to; afterwards no program may be left in it. */
async function inCgroup(body: (path: string) => Promise<void>): Promise<void> {
  using bed = Bed.create({ subnet: 51 });
  await body(bed.cgroupPath);
  using cgroup = Cgroup.open(bed.cgroupPath);
  assert.deepEqual(cgroup.programs({ attachType: 'cgroup/connect4' }), []);
}

test('quickstart.ts attaches, and ends when it is told to', () =>
  inCgroup(async path => {
    await run('quickstart.ts', [path], [[/^attached to .* with 2 pods$/]]);
  }));

test('objects-and-maps.ts reads what it wrote, and loads the shipped object', async () => {
  await run(
    'objects-and-maps.ts',
    [],
    [
      [/10\.0\.0\.8: weight 2, 1 hits|fd00::9: weight 3/],
      [/^programs: .*mb_connect4/],
      [/^maps: .*local_pod_ips/],
      [/^loaded: .* holds 1$/],
    ],
    true,
  );
});

test('static-pods.ts prints its counters, and the last of them when it is told to end', () =>
  inCgroup(async path => {
    const rest = await run(
      'static-pods.ts',
      ['--cgroup', path, '--seconds', '1', '10.51.0.7', '10.51.0.8'],
      [[/^2 pods below .*, acceleration 'proxies'$/], [/^0 outbound, 0 inbound/], [/^0 outbound, 0 inbound/]],
    );
    assert.match(rest, /^detached; 0 outbound/m);
  }));

test('pod-rules.ts prints the rules of a pod, and what is wrong with them', () =>
  inCgroup(async path => {
    await run(
      'pod-rules.ts',
      [path],
      [[/^\{.*"excludeInboundPorts":\[9090\].*"excludeOutboundPorts":\[3306,6379\]/]],
      true,
    );
    await run(
      'pod-rules.ts',
      [path, '80,http'],
      [[/^not enrolled$/]],
      true,
      /^traffic\.sidecar\.istio\.io\/excludeInboundPorts, entry 2: "http" is not a port/,
    );
  }));

test('custom-controller.ts follows its file: pods that come, change and go', () =>
  inCgroup(async path => {
    const folder = ownedDirectory('example');
    try {
      const file = join(folder, 'pods.json');
      const write = (pods: object): void => {
        writeFileSync(`${file}.new`, JSON.stringify(pods));
        renameSync(`${file}.new`, file);
      };
      write({ '10.51.0.7': {}, '::ffff:10.51.0.8': { acceleration: 'full' } });
      const rest = await run(
        'custom-controller.ts',
        [file, path],
        [
          [/^enrolled 10\.51\.0\.7, acceleration 'inherit'$/],
          [/^enrolled 10\.51\.0\.8, acceleration 'full'$/],
          [/^following /, () => write({ '10.51.0.8': { acceleration: 'off' }, '10.51.0.9': {} })],
          [/^took out 10\.51\.0\.7$/],
          [/^enrolled 10\.51\.0\.8, acceleration 'off'$/],
          [/^enrolled 10\.51\.0\.9, acceleration 'inherit'$/],
        ],
      );
      assert.match(rest, /^detached$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }));

test('kubernetes-pods.ts follows a file instead of an API server', () =>
  inCgroup(async path => {
    const folder = ownedDirectory('example');
    try {
      const file = join(folder, 'pods.json');
      const write = (pods: object): void => {
        writeFileSync(`${file}.new`, JSON.stringify(pods));
        renameSync(`${file}.new`, file);
      };
      write({ '10.51.0.7': {}, '10.51.0.8': { acceleration: 'full' } });
      process.env.PODS_FILE = file;
      const rest = await run(
        'kubernetes-pods.ts',
        [path],
        [
          [/^attached to .* with 2 pods$/, () => write({ '10.51.0.8': {}, '10.51.0.9': {} })],
          [/^\+1 ~1 -1 pods after /],
        ],
      );
      assert.match(rest, /^detached$/m);
    } finally {
      delete process.env.PODS_FILE;
      rmSync(folder, { recursive: true });
    }
  }));

test('detach-all.ts removes what is pinned, says so, and finds nothing a second time', () =>
  inCgroup(async path => {
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    await (await MeshAccelerator.start({ cgroup: path, pinDirectory })).close();
    await run(
      'detach-all.ts',
      [pinDirectory],
      [[/^link +mb_connect4 +id \d+/], [/^map +local_pod_ips /], [/^removed \d+ pins/]],
      true,
    );
    await run('detach-all.ts', [pinDirectory], [[/^nothing is pinned/]], true);
  }));

test('metrics.ts serves the metrics of a mesh of its own, and of one that is pinned', () =>
  inCgroup(async path => {
    const scrape = async (url: string): Promise<void> => {
      const response = await fetch(url, { headers: { connection: 'close' } });
      assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      assert.match(await response.text(), /^merbridge_up 1$[^]*^merbridge_map_entries\{map="local_pod_ips"\} 0$/m);
    };
    await run('metrics.ts', ['--cgroup', path], [[/^http:.*\/metrics$/, scrape]]);
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    await (await MeshAccelerator.start({ cgroup: path, pinDirectory })).close();
    await run('metrics.ts', [pinDirectory], [[/^http:.*\/metrics$/, scrape]]);
    await detachAll({ pinDirectory });
  }));

test('diagnose.ts says that acceleration can work here, for people and for programs', () =>
  inCgroup(async path => {
    await run(
      'diagnose.ts',
      [path],
      [[/^Machine$/], [/^ {2}yes +cgroup\/connect4$/], [/^acceleration can work here$/]],
      true,
    );
    await run('diagnose.ts', ['--json', path], [[/^ {2}"ok": true,$/]], true);
  }));
