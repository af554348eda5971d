// Packs the package as `npm publish` would, and looks into the tarball.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';

const limit = 2_000_000;

/** `npm run pack`: plain `npm pack` runs no `prepack` here, see .npmrc. */
export function pack(folder) {
  execFileSync('npm', ['run', '--silent', 'pack', '--', '--loglevel=error', `--pack-destination=${folder}`], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [name] = readdirSync(folder).filter(file => file.endsWith('.tgz'));
  return join(folder, name);
}

/** What is wrong with the contents of the tarball, one line each. */
export function faults(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', folder]);
  const unpacked = join(folder, 'package');
  const found = [];
  const demand = (condition, fault) => condition || found.push(fault);

  for (const file of ['LICENSE', 'README.md', 'bpf/COPYING', 'dist/index.js', 'dist/index.d.ts', 'dist/bpf/index.js']) {
    demand(existsSync(join(unpacked, file)), `${file} is missing`);
  }
  // On npm's page of a package without a repository its links lead nowhere else.
  const readme = readFileSync(join(unpacked, 'README.md'), 'utf8');
  for (const [, markdown, html] of readme.matchAll(/\]\(([^)\s#]+)|(?:src|srcset)="([^"]+)"/g)) {
    demand(existsSync(join(unpacked, markdown ?? html)), `README.md links to ${markdown ?? html}, which is missing`);
  }
  const files = readdirSync(unpacked, { recursive: true });
  const own = files.filter(file => !file.startsWith('node_modules/'));
  const objects = own.filter(file => file.startsWith('dist/objects/'));
  demand(objects.includes('dist/objects/merbridge.bpf.o'), 'dist/objects/merbridge.bpf.o is missing');
  for (const object of objects) demand(object.endsWith('.bpf.o'), `${object} does not belong into the package`);
  for (const file of own.filter(name => statSync(join(unpacked, name)).isFile())) {
    demand(!readFileSync(join(unpacked, file)).includes(root), `${file} names the folder it was built in`);
  }
  for (const file of own.filter(name => /^dist\/.*\.js$/.test(name))) {
    const source = file.replace(/^dist/, 'src').replace(/\.js$/, '.ts');
    demand(existsSync(join(root, source)), `${file} has no source`);
  }
  for (const file of own.filter(name => name.endsWith('.d.ts'))) {
    demand(
      !/from ['"](ffi-napi|ref-)/.test(readFileSync(join(unpacked, file), 'utf8')),
      `${file} names a type of the native packages`,
    );
  }

  const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'));
  for (const name of Object.keys(manifest.dependencies)) {
    demand(existsSync(join(unpacked, 'node_modules', name, 'package.json')), `${name} is not bundled`);
  }
  for (const file of files.filter(name => name.startsWith('node_modules/'))) {
    demand(!/(^|\/)(binding\.gyp|_postinstall\.js)$|\.gypi?$/.test(file), `${file} would be built or run by npm`);
    demand(!/\/prebuilds\/(?!linux-(x64|arm64)(\/|$))/.test(file), `${file} is for another platform`);
    if (!/(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file)) continue;
    const { scripts, gypfile } = JSON.parse(readFileSync(join(unpacked, file), 'utf8'));
    demand(scripts === undefined && gypfile === false, `${file} has scripts`);
  }
  for (const name of ['ffi-napi', 'ref-napi']) {
    for (const platform of ['linux-x64', 'linux-arm64']) {
      const prebuilds = join(unpacked, 'node_modules', name, 'prebuilds', platform);
      demand(
        existsSync(prebuilds) && readdirSync(prebuilds).some(file => file.endsWith('.node')),
        `${name} has no binary for ${platform}`,
      );
    }
  }
  const { size } = statSync(tarball);
  demand(size < limit, `the tarball has ${size} bytes, more than ${limit}`);
  return found;
}
