// Prepares the bundled dependencies in node_modules for the tarball. Each build does, since npm runs no `prepack` where
// the project's .npmrc has it ignore scripts. Safe to run again, and `npm ci` undoes it.
//
// npm 10 and 11 run the install scripts of bundled packages, and ffi-napi's and ref-napi's fail on every current Node
// version; npm 12 does not run them, but warns. Without their scripts and their binding.gyp (npm takes that alone for a
// script) they install everywhere, with the binaries they bring along. What only a compiler reads goes as well.
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Top-level entries that nothing needs at run time. */
const unneeded =
  /^(binding\.gyp|.*\.gypi?|.*\.[ch]|test|test\.js|tests|docs|example|benchmark|include|tools|_postinstall\.js|Makefile|appveyor\.yml|commitlint\.config\.js|component\.json|\..*)$/;
/** `src` is the program itself in some packages (debug), so it goes only where it is C++. */
const unneededNative = /^src$/;
const native = new Set(['ffi-napi', 'ref-napi']);
const prebuilds = new Set(['linux-x64', 'linux-arm64']);

const readJson = path => JSON.parse(readFileSync(path, 'utf8'));
const remove = path => rmSync(path, { recursive: true, force: true });

/** Finds a dependency as Node would: in the nearest node_modules on the way up. */
function resolve(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === root) throw new Error(`strip-bundled: ${name}, needed by ${relative(root, from)}, is not installed`);
  }
}

function bundledPackages() {
  const found = new Map();
  const visit = (name, from) => {
    const folder = resolve(name, from);
    if (found.has(folder)) return;
    found.set(folder, name);
    for (const dependency of Object.keys(readJson(join(folder, 'package.json')).dependencies ?? {}))
      visit(dependency, folder);
  };
  for (const name of readJson(join(root, 'package.json')).bundleDependencies) visit(name, root);
  return found;
}

function stripManifest(folder) {
  const path = join(folder, 'package.json');
  const manifest = readJson(path);
  if (!manifest.scripts && manifest.gypfile === false) return;
  delete manifest.scripts;
  manifest.gypfile = false;
  // Renamed into place: a program that runs meanwhile must not read half a manifest.
  writeFileSync(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Removes all below a folder but the licences: the binaries hold libffi, whose licence wants to go along. */
function keepLicences(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      keepLicences(path);
      if (readdirSync(path).length === 0) remove(path);
    } else if (entry.name !== 'LICENSE') {
      remove(path);
    }
  }
}

function stripNative(folder) {
  for (const entry of readdirSync(folder)) if (unneededNative.test(entry)) remove(join(folder, entry));
  if (existsSync(join(folder, 'deps'))) keepLicences(join(folder, 'deps'));
  const kept = readdirSync(join(folder, 'prebuilds')).filter(platform => {
    if (!prebuilds.has(platform)) remove(join(folder, 'prebuilds', platform));
    return prebuilds.has(platform);
  });
  if (kept.length !== prebuilds.size)
    throw new Error(`strip-bundled: ${relative(root, folder)} has no binaries for ${[...prebuilds].join(', ')}`);
  for (const platform of kept) {
    for (const file of readdirSync(join(folder, 'prebuilds', platform))) {
      if (file.startsWith('electron.')) remove(join(folder, 'prebuilds', platform, file));
    }
  }
}

const packages = bundledPackages();
for (const [folder, name] of packages) {
  stripManifest(folder);
  for (const entry of readdirSync(folder)) if (unneeded.test(entry)) remove(join(folder, entry));
  if (native.has(name)) stripNative(folder);
}
