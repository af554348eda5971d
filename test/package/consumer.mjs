// An empty project of a stranger: installs the tarball with one npm on one Node.js and uses it.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';
import { nodeBinary, npmProgram } from './tools.mjs';

const shell = ['sh', 'env', 'uname'];

export class Consumer {
  constructor(folder, nodeMajor, npmMajor) {
    this.folder = folder;
    this.node = nodeBinary(nodeMajor);
    this.npm = npmProgram(npmMajor);
    this.path = join(folder, 'path');
    mkdirSync(this.path, { recursive: true });
    mkdirSync(join(folder, 'home'));
    symlinkSync(this.node, join(this.path, 'node'));
    for (const name of shell) symlinkSync(`/usr/bin/${name}`, join(this.path, name));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
    for (const file of ['require.cjs', 'import.mjs', 'map.mjs'])
      copyFileSync(join(root, 'test/package/consumer', file), join(folder, file));
  }

  /** Nothing of this machine but the kernel: no compiler, no npm settings, no cache. */
  get environment() {
    return { PATH: this.path, HOME: join(this.folder, 'home') };
  }

  /**
   * Installs. Offline, because everything has to be in the tarball: what npm would have to fetch is a fault.
   * Returns what npm warned of.
   */
  async install(tarball) {
    const result = await run(
      this.node,
      [this.npm, 'install', '--offline', '--no-audit', '--no-fund', '--no-update-notifier', tarball],
      this,
    );
    if (result.code !== 0) throw new Error(`npm install failed\n${result.output}`);
    return result.output.split('\n').filter(line => /^npm warn/i.test(line));
  }

  /** Whether this npm runs no install scripts in a clone of the project, without being told. */
  async sparesClone() {
    const { stdout } = await run(this.node, [this.npm, 'config', 'get', 'ignore-scripts'], {
      folder: root,
      environment: this.environment,
    });
    return stdout.trim() === 'true';
  }

  async script(file, { root: privileged = false } = {}) {
    const command = privileged ? asRoot(this, [this.node, file]) : [this.node, file];
    const result = await run(command[0], command.slice(1), this);
    if (result.code !== 0) throw new Error(`${file} ended with ${result.code ?? result.signal}\n${result.output}`);
    return result.stdout;
  }

  /** Both module systems, the same names. */
  async load() {
    const required = new Set(JSON.parse(await this.script('require.cjs')));
    const imported = new Set(JSON.parse(await this.script('import.mjs')));
    const lacking = (some, others) => [...others].filter(name => !some.has(name)).join(', ');
    if (lacking(imported, required) !== '') throw new Error(`import does not see ${lacking(imported, required)}`);
    if (lacking(required, imported) !== '') throw new Error(`require does not see ${lacking(required, imported)}`);
  }
}

/** The command that runs `command` as root in the environment of the consumer. */
export function asRoot(consumer, command) {
  const { PATH, HOME } = consumer.environment;
  return ['/bin/bash', join(root, 'scripts/as-root.sh'), '/usr/bin/env', `PATH=${PATH}`, `HOME=${HOME}`, ...command];
}

/** Runs a command to its end; `onOutput` sees each piece of its standard output and may end it. */
export function run(command, args, { folder, environment }, { timeout = 60_000, onOutput, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: folder,
      env: sudoNeeds(command, environment),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
    });
    let stdout = '';
    let output = '';
    onStart?.(child);
    child.stdout.on('data', data => {
      stdout += data;
      output += data;
      onOutput?.(child, stdout);
    });
    child.stderr.on('data', data => (output += data));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, output }));
  });
}

/** as-root.sh has to find id and sudo; the command itself gets the consumer's PATH back. */
function sudoNeeds(command, environment) {
  return command === '/bin/bash' ? { ...environment, PATH: process.env.PATH } : environment;
}
