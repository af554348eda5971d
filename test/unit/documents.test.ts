/**
 * README.md and docs/ can be taken at their word: scripts exist, code compiles, links lead somewhere, named tests are
 * there.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

import { typeErrors } from '../fixtures/type-errors';

const ROOT = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const docs = readdirSync(join(ROOT, 'docs'))
  .filter(name => name.endsWith('.md'))
  .map(name => `docs/${name}`);
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'UPGRADING.md',
  'examples/README.md',
  'examples/daemonset/README.md',
  'test/bed/README.md',
  ...docs,
];

const BLOCK = /^```(\w+)\n([\s\S]*?)^```/gm;
const withoutBlocks = (text: string): string => text.replace(BLOCK, '');

test('README.md has at most 12,000 bytes', () => {
  assert.ok(Buffer.byteLength(read('README.md')) <= 12_000, `it has ${Buffer.byteLength(read('README.md'))}`);
});

test('every npm script that a document names is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const path of documents) {
    for (const [command, name] of read(path).matchAll(/\bnpm run (?:--silent )?([\w:]+)/g))
      assert.ok(name! in scripts, `${path}: ${command}`);
  }
});

test('every link leads to a file, and to a heading in it', () => {
  const anchors = (path: string): Set<string> =>
    new Set(
      [...withoutBlocks(readFileSync(path, 'utf8')).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );
  const broken: string[] = [];
  for (const path of documents) {
    for (const [, markdown, html] of withoutBlocks(read(path)).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)) {
      const link = (markdown ?? html)!;
      if (/^\w+:/.test(link)) continue;
      const [file, anchor] = link.split('#') as [string, string?];
      const target = file === '' ? join(ROOT, path) : join(ROOT, dirname(path), file);
      if (!existsSync(target) || (anchor !== undefined && !anchors(target).has(anchor)))
        broken.push(`${path}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('docs/README.md and README.md list every page of docs/', () => {
  const index = read('docs/README.md');
  const readme = read('README.md');
  for (const path of docs.filter(each => each !== 'docs/README.md')) {
    assert.ok(index.includes(`](${basename(path)})`), `docs/README.md lacks ${path}`);
    assert.ok(readme.includes(`](${path})`), `README.md lacks ${path}`);
  }
});

test('every code of a BpfError is in docs/errors.md', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  );
  const codes = new Set(sources.flatMap(name => read(join('src', name)).match(/(?<=')ERR_BPF_\w+(?=')/g) ?? []));
  const documented = new Set(read('docs/errors.md').match(/(?<=^\| `)ERR_BPF_\w+/gm));
  assert.deepEqual([...documented].sort(), [...codes].sort());
});

test('every test that a document names is there', () => {
  const files = new Set(
    readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).map(name => basename(name)),
  );
  for (const path of docs) {
    for (const [, name] of read(path).matchAll(/`(?:test\/\w+\/)?((?:bpf|full|hazards|hostile|mesh)-[a-z-]+)`/g)) {
      assert.ok(files.has(`${name}.test.ts`), `${path}: ${name}`);
    }
  }
});

test('every TypeScript block of README.md, UPGRADING.md and docs/ compiles', () => {
  const blocks = new Map<string, string>();
  for (const path of ['README.md', 'UPGRADING.md', ...docs]) {
    for (const [, language, code] of read(path).matchAll(BLOCK)) {
      // One that imports nothing is about a mesh that is there.
      const given = code!.includes('import ') ? '' : "declare const mesh: import('merbridge').MeshAccelerator;";
      if (language === 'ts') blocks.set(`${path}.${blocks.size}`, `${given}${code}`);
    }
  }
  assert.ok(blocks.size > 5, `${blocks.size} blocks`);
  assert.deepEqual(typeErrors(blocks), []);
});
