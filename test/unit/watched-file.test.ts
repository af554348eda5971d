import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { PodFileError, WatchedFile } from '../../src/kubernetes';
import { until } from '../kube/until';

/** A folder, a source on a file in it, and what it reports. */
async function withFile(
  body: (at: { folder: string; path: string; source: WatchedFile; errors: Error[] }) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'merbridge-file-'));
  const path = join(folder, 'etc', 'pods.json');
  mkdirSync(join(folder, 'etc'));
  const source = new WatchedFile(path);
  const errors: Error[] = [];
  source.on('error', error => errors.push(error));
  try {
    await body({ folder, path, source, errors });
  } finally {
    await source.close();
    rmSync(folder, { recursive: true });
  }
}

const addresses = (source: WatchedFile): string => [...source.pods.keys()].sort().join(' ');

test('follows a file that is written, renamed over, and removed', () =>
  withFile(async ({ path, source, errors }) => {
    writeFileSync(
      path,
      '{ "10.0.0.1": {}, "::ffff:10.0.0.2": { "acceleration": "full", "annotations": { "a": "b" } } }',
    );
    source.start();
    await source.synced;
    assert.deepEqual(source.pods.get('10.0.0.2'), {
      name: '10.0.0.2',
      addresses: ['10.0.0.2'],
      options: { acceleration: 'full' },
      annotations: { a: 'b' },
    });
    writeFileSync(path, '{ "10.0.0.3": {} }');
    await until('written', () => addresses(source) === '10.0.0.3');
    writeFileSync(`${path}.new`, '{ "10.0.0.4": {} }');
    renameSync(`${path}.new`, path);
    await until('renamed over', () => addresses(source) === '10.0.0.4');
    rmSync(path);
    await until('reported', () => errors.length === 1);
    assert.equal(addresses(source), '10.0.0.4', 'the last good state stays');
    assert.ok(errors[0] instanceof PodFileError);
    writeFileSync(path, '{ "10.0.0.4": {} }');
    await setTimeout(150);
    writeFileSync(path, '{}');
    await until('empty is a state, too', () => addresses(source) === '');
    assert.equal(errors.length, 1);
  }));

test('a file that is half written is not reported if the rest comes soon', () =>
  withFile(async ({ path, source, errors }) => {
    writeFileSync(path, '{ "10.0.0.1": {}');
    source.start();
    await setTimeout(100);
    appendFileSync(path, ', "10.0.0.2": {} }');
    await source.synced;
    assert.equal(addresses(source), '10.0.0.1 10.0.0.2');
    assert.deepEqual(errors, []);
  }));

test('wrong content is reported once, and refused as a whole', () =>
  withFile(async ({ path, source, errors }) => {
    writeFileSync(path, '{ "10.0.0.1": {} }');
    source.start();
    await source.synced;
    const wrong: [string, RegExp][] = [
      ['[]', /it must be an object whose keys are addresses/],
      ['{ "10.0.0.2": {}', /incomplete JSON/],
      ['{ "10.0.0.2": {}, "10.0.0.300": {} }', /'10\.0\.0\.300' is not an IPv4 address/],
      ['{ "10.0.0.2": {}, "127.0.0.1": {} }', /'127\.0\.0\.1'/],
      ['{ "10.0.0.2": { "accelerate": true } }', /10\.0\.0\.2: unknown option 'accelerate'/],
      ['{ "10.0.0.2": { "cgroup": "kubepods.slice" } }', /10\.0\.0\.2: pod options: cgroup must be an absolute path/],
      ['{ "10.0.0.2": { "acceleration": "fast" } }', /not "fast"/],
      ['{ "10.0.0.2": { "rules": { "excludeInboundPorts": [80, "http"] } } }', /excludeInboundPorts, entry 2/],
      ['{ "10.0.0.2": null }', /must be an object/],
      ['{ "10.0.0.2": { "annotations": { "a": 1 } } }', /object of strings/],
      ['{ "10.0.0.2": {}, "::ffff:10.0.0.2": {} }', /twice/],
      ['{ "10.0.0.2": {}, "10.0.0.3": {}, "10.0.0.\\u0032" : {} }', /'10\.0\.0\.2' appears twice/],
      ['{ "10.0.0.2": { "acceleration": "off", "acceleration": "full" } }', /'acceleration' appears twice/],
    ];
    for (const [text, problem] of wrong) {
      const before = errors.length;
      writeFileSync(path, text);
      await until(`reported: ${text}`, () => errors.length > before);
      assert.match(errors.at(-1)!.message, problem);
      assert.equal(addresses(source), '10.0.0.1');
    }
    const before = errors.length;
    source.refresh();
    await setTimeout(500);
    assert.equal(errors.length, before, 'the same fault is reported once');
  }));

test('the same key or text in other objects, and what looks like a key in a text, is not there twice', () =>
  withFile(async ({ path, source, errors }) => {
    const annotations = { a: '{ "a": "x", "a": "y" }', 'b"\\': 'a', c: '"a":'.repeat(100_000) };
    writeFileSync(
      path,
      JSON.stringify({
        '10.0.0.1': { annotations },
        '10.0.0.2': { annotations, rules: { excludeInboundPorts: [80] } },
      }),
    );
    source.start();
    await source.synced;
    assert.deepEqual(source.pods.get('10.0.0.2')?.annotations, annotations);
    assert.deepEqual(errors, []);
  }));

test('a mounted ConfigMap: the link to the folder of the files is what changes', () =>
  withFile(async ({ folder, source }) => {
    const etc = join(folder, 'etc');
    const version = (name: string, text: string): void => {
      mkdirSync(join(etc, name));
      writeFileSync(join(etc, name, 'pods.json'), text);
      symlinkSync(name, join(etc, '..new'));
      renameSync(join(etc, '..new'), join(etc, '..data'));
    };
    version('..1', '{ "10.0.0.1": {} }');
    symlinkSync(join('..data', 'pods.json'), join(etc, 'pods.json'));
    source.start();
    await source.synced;
    version('..2', '{ "10.0.0.2": {} }');
    await until('the second version', () => addresses(source) === '10.0.0.2');
  }));

test('a folder that comes late, and one that is made anew', () =>
  withFile(async ({ folder, path, source, errors }) => {
    rmSync(join(folder, 'etc'), { recursive: true });
    source.start();
    await until('reported', () => errors.length === 1);
    mkdirSync(join(folder, 'etc'));
    writeFileSync(path, '{ "10.0.0.1": {} }');
    await source.synced;
    renameSync(join(folder, 'etc'), join(folder, 'old'));
    mkdirSync(join(folder, 'etc'));
    writeFileSync(path, '{ "10.0.0.2": {} }');
    await until('the new folder', () => {
      source.refresh(); // nothing in the old folder tells of a new one; a resync asks
      return addresses(source) === '10.0.0.2';
    });
    writeFileSync(path, '{ "10.0.0.3": {} }');
    await until('and it is watched', () => addresses(source) === '10.0.0.3');
  }));

test('neighbours that change all the time put nothing off, neither what is good nor a fault', () =>
  withFile(async ({ folder, path, source, errors }) => {
    writeFileSync(path, '{ "10.0.0.1": {} }');
    source.start();
    await source.synced;
    const noise = setInterval(() => writeFileSync(join(folder, 'etc', 'other'), String(performance.now())), 5);
    try {
      writeFileSync(path, '{ "10.0.0.2": {} }');
      await until('read', () => addresses(source) === '10.0.0.2');
      writeFileSync(path, '{');
      await until('reported', () => errors.length === 1);
    } finally {
      clearInterval(noise);
    }
  }));

test('what is no regular file is refused, and nothing waits for it', () =>
  withFile(async ({ path, source, errors }) => {
    execFileSync('mkfifo', [path]);
    source.start();
    await until('reported', () => errors.length === 1);
    assert.match(errors[0]!.message, /not a regular file/);
    rmSync(path);
    writeFileSync(path, '{ "10.0.0.1": {} }');
    await source.synced;
    assert.equal(addresses(source), '10.0.0.1');
  }));

test('close before the first good state', () =>
  withFile(async ({ source }) => {
    source.start();
    await source.close();
    await assert.rejects(source.synced, (error: { code?: string }) => error.code === 'ERR_BPF_CLOSED');
    assert.throws(() => source.start());
  }));
