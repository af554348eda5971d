// Do the declarations resolve for every kind of consumer? Compiles with nothing installed but the package and
// @types/node: no types of the native packages, an old `lib`, and the declarations of dependencies checked as well.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';

const consumers = {
  'node16, CommonJS': { file: 'use.cts', module: 'node16', moduleResolution: 'node16' },
  'node16, ECMAScript': { file: 'use.mts', module: 'node16', moduleResolution: 'node16' },
  bundler: { file: 'use.ts', module: 'esnext', moduleResolution: 'bundler' },
};

/** What the compiler finds, by consumer; undefined where it finds nothing. `examples` are those of the README. */
export function typeFaults({ folder }, examples) {
  const types = join(folder, 'node_modules/@types');
  mkdirSync(types, { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(types, 'node'));
  const found = {};
  for (const [name, { file, ...options }] of Object.entries(consumers)) {
    copyFileSync(join(root, 'test/package/consumer/types.txt'), join(folder, file));
    found[name] = compile(folder, file, options);
  }
  for (const [name, source] of examples) {
    writeFileSync(join(folder, `${name}.mts`), source);
    found[`README, ${name}`] = compile(folder, `${name}.mts`, consumers['node16, ECMAScript']);
  }
  return found;
}

function compile(folder, file, { module, moduleResolution }) {
  const project = join(folder, `tsconfig.${file}.json`);
  const compilerOptions = {
    module,
    moduleResolution,
    target: 'es2022',
    lib: ['es2022'],
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    exactOptionalPropertyTypes: true,
  };
  writeFileSync(project, JSON.stringify({ compilerOptions, files: [file] }));
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
      cwd: folder,
      encoding: 'utf8',
    });
    return undefined;
  } catch (error) {
    return error.stdout || String(error);
  }
}
