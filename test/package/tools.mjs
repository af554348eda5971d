// The npm and Node.js versions that the package is installed with, from the registry, kept in .cache/.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';

export const nodeMajors = [20, 22, 24];
export const npmMajors = [10, 11, 12];

const folder = join(root, '.cache/check-package');

const dependencies = Object.fromEntries([
  ...npmMajors.map(major => [`npm${major}`, `npm:npm@${major}`]),
  ...nodeMajors.map(major => [`node${major}`, `npm:node-linux-${process.arch}@${major}`]),
]);

/** Installs the tools unless they are there. */
export function installTools() {
  const manifest = join(folder, 'package.json');
  const wanted = JSON.stringify({ private: true, dependencies }, null, 2);
  const installed =
    existsSync(join(folder, 'node_modules/.package-lock.json')) &&
    existsSync(manifest) &&
    readFileSync(manifest, 'utf8') === wanted;
  if (installed) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, wanted);
  // The Node.js packages are the binary alone; their scripts look for a package of another name.
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: 'inherit',
  });
}

export const nodeBinary = major => join(folder, `node_modules/node${major}/bin/node`);
export const npmProgram = major => join(folder, `node_modules/npm${major}/bin/npm-cli.js`);

/** Why this npm does not run on this Node.js, or undefined when it does. Asks npm's own package. */
export function mismatch(npmMajor, nodeMajor) {
  const { engines, version } = JSON.parse(
    readFileSync(join(folder, `node_modules/npm${npmMajor}/package.json`), 'utf8'),
  );
  const majors = engines.node.split('||').map(range => range.trim());
  const supported = majors.some(range => {
    const [, operator, major] = /^(\^|>=)(\d+)/.exec(range);
    return operator === '^' ? Number(major) === nodeMajor : nodeMajor >= Number(major);
  });
  return supported ? undefined : `npm ${version} needs Node.js ${engines.node}`;
}
