/**
 * `node -r ./scripts/typescript.cjs FILE.ts`: how tests and benchmarks run their TypeScript. A file is compiled when it is required, and kept in
 * `.cache/transpiled/` until its content changes. ts-node would load the compiler into every process, which costs more than a second of CPU time each.
 *
 * Types are not checked here (`npm run typecheck` does). Stack traces name the lines of the TypeScript.
 */
'use strict';
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const ROOT = join(__dirname, '..');
const CACHE = join(ROOT, '.cache', 'transpiled');
/** What the output depends on beside the source: this file, and the version of the compiler. */
const VERSION = readFileSync(__filename, 'utf8') + require('typescript/package.json').version;

function compile(source, fileName) {
  const ts = require('typescript');
  return ts.transpileModule(source, {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      // Unlike CommonJS, leaves import() as it is: it may name an ES module.
      module: ts.ModuleKind.Node16,
      moduleResolution: ts.ModuleResolutionKind.Node16,
      inlineSourceMap: true,
    },
  }).outputText;
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not there yet, or closed to this user
  }
}

function compiled(fileName) {
  const source = readFileSync(fileName, 'utf8');
  const path = join(CACHE, `${relative(ROOT, fileName)}.js`);
  if (!path.startsWith(CACHE)) return compile(source, fileName);
  const mark = `\n// ${createHash('sha256').update(VERSION).update('\0').update(source).digest('hex')}\n`;
  const kept = read(path);
  if (kept.endsWith(mark)) return kept;
  const output = compile(source, fileName) + mark;
  try {
    // Another process may write the same file at this moment.
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, output);
    renameSync(`${path}.${process.pid}`, path);
  } catch {
    // A clone that this user may only read: each process compiles.
  }
  return output;
}

process.setSourceMapsEnabled(true);
require.extensions['.ts'] = (module, fileName) => module._compile(compiled(fileName), fileName);

/** Compiles everything there is: what runs on a slow machine shall find it done. */
module.exports.compileAll = () => {
  for (const folder of ['test', 'src'])
    for (const name of readdirSync(join(ROOT, folder), { recursive: true }))
      if (name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.includes('node_modules'))
        compiled(join(ROOT, folder, name));
};
