#!/usr/bin/env node
// Is the package that would be published one that a stranger can use? (npm run check:package)
//
// Packs it, looks into the tarball, and installs it into empty projects with each npm on each Node.js, with no compiler
// within reach. There it is loaded both ways, creates a map in the kernel (as root, through sudo if need be), and the
// examples of the README run. The declarations are compiled as each kind of consumer would. Parts: test/package/.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Consumer } from '../test/package/consumer.mjs';
import { readExamples, runExample } from '../test/package/example.mjs';
import { root } from '../test/package/paths.mjs';
import { faults, pack } from '../test/package/tarball.mjs';
import { installTools, mismatch, nodeMajors, npmMajors } from '../test/package/tools.mjs';
import { typeFaults } from '../test/package/types.mjs';

let failures = 0;

async function check(title, action) {
  const start = performance.now();
  try {
    await action();
    const seconds = (performance.now() - start) / 1000;
    console.log(`ok      ${title}${seconds < 0.1 ? '' : ` (${seconds.toFixed(1)} s)`}`);
    return 'ok';
  } catch (error) {
    failures++;
    console.log(`FAILED  ${title}\n${String(error.message).trim().replace(/^/gm, '        ')}`);
    return 'FAILED';
  }
}

function tool(name, ...args) {
  try {
    execFileSync(process.execPath, [join(root, 'node_modules', name), ...args], {
      cwd: root,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    throw new Error(`${error.stdout}${error.stderr}`, { cause: error });
  }
}

async function cell(tarball, folder, node, npm, examples) {
  const consumer = new Consumer(folder, node, npm);
  const warnings = await consumer.install(tarball);
  if (warnings.length > 0) throw new Error(`npm warns:\n${warnings.join('\n')}`);
  if (!(await consumer.sparesClone())) throw new Error('npm ci in a clone would run install scripts');
  await consumer.load();
  await consumer.script('map.mjs', { root: true });
  for (const source of examples.values()) await runExample(consumer, source);
  return consumer;
}

function printTable(results) {
  console.log(`\n${''.padEnd(10)}${nodeMajors.map(node => `Node ${node}`.padEnd(10)).join('')}`);
  for (const npm of npmMajors) {
    console.log(
      `${`npm ${npm}`.padEnd(10)}${nodeMajors.map(node => results.get(`${npm}/${node}`).padEnd(10)).join('')}`,
    );
  }
}

const work = mkdtempSync(join(tmpdir(), 'merbridge-package-'));
try {
  installTools();
  const tarball = pack(work);
  await check('contents of the tarball', () => {
    const found = faults(tarball, join(work, 'contents'));
    if (found.length > 0) throw new Error(found.join('\n'));
  });
  await check('publint', () => tool('publint/src/cli.js', 'run', tarball, '--strict'));
  await check('are the types wrong', () =>
    tool(
      '@arethetypeswrong/cli/dist/index.js',
      tarball,
      '--profile',
      'node16',
      '--no-definitely-typed',
      '--no-color',
      '--no-emoji',
    ),
  );

  const examples = readExamples();
  const results = new Map();
  let first;
  for (const npm of npmMajors) {
    for (const node of nodeMajors) {
      const reason = mismatch(npm, node);
      if (reason !== undefined) console.log(`n/a     npm ${npm} on Node ${node}: ${reason}`);
      const outcome =
        reason !== undefined
          ? 'n/a'
          : await check(`npm ${npm} on Node ${node}`, async () => {
              const consumer = await cell(tarball, join(work, `npm${npm}-node${node}`), node, npm, examples);
              first ??= consumer;
            });
      results.set(`${npm}/${node}`, outcome);
    }
  }
  if (first !== undefined) {
    for (const [consumer, found] of Object.entries(typeFaults(first, examples))) {
      await check(`types: ${consumer}`, () => {
        if (found !== undefined) throw new Error(found);
      });
    }
  }
  printTable(results);
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(failures === 0 ? '\ncheck-package: all checks passed' : `\ncheck-package: ${failures} checks failed`);
process.exitCode = failures === 0 ? 0 : 1;
