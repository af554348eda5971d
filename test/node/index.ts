/**
 * `npm run test:node`: the example's DaemonSet on a real node.
 *
 *   index.ts ASSETS PROGRAMS [--keep-logs FOLDER]
 *
 * Builds the images, then runs inside.ts in namespaces of its own (mounts, network, processes, cgroups). With its last
 * process the namespaces are gone, and all that is mounted, listens or runs in them; what is left is a directory, and
 * one cgroup in each hierarchy. They are removed at the end, at SIGINT, SIGTERM and SIGHUP, and, after a SIGKILL, by
 * the next run.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { onAbnormalEnd } from '../bed/abnormal-end';
import { TYPESCRIPT, spawn } from '../bed/children';
import { ownedDirectory, ownedName, sweepOwned } from '../bed/owned';
import { createCgroups, hierarchies, removeCgroups, sweepCgroups } from './cgroups';
import { buildImages } from './images';
import { Report } from './report';
import { traces } from './traces';
import type { InsidePlan } from './inside';

/** `$0` is the program; the arguments before `--` are cgroups that the shell enters before it becomes that. */
const ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"';
/** The first process of the namespace: one that reaps what others leave to it, as shims of containerd do. */
const REAP = '"$@"; exit $?';

async function main([assets, programs, option, logs]: string[]): Promise<number> {
  if (assets === undefined || programs === undefined)
    throw new Error('ASSETS and PROGRAMS are missing: scripts/node.sh');
  for (const what of [...sweepCgroups(), ...sweepOwned()]) console.log(`left by a killed run, removed: ${what}`);
  const before = traces(hierarchies());
  const report = new Report();
  const name = ownedName('node');
  // Before the directory is made, and so before it is removed: what runs in them has its files there.
  const forget = onAbnormalEnd(() => removeCgroups(each => each === name));
  const directory = ownedDirectory('node');
  let code: number | null;
  try {
    const images = join(directory, 'images.tar');
    await buildImages(join(programs, 'base.tar'), join(directory, 'images'), images);
    rmSync(join(directory, 'images'), { recursive: true });
    report.done('images built: pause, application, sidecar, and two of the agent by the steps of its Dockerfile');
    const cgroups = createCgroups(name);
    const plan: InsidePlan = { assets, programs, images, directory, hierarchies: hierarchies(), began: report.began };
    mkdirSync(join(directory, 'tmp'));
    const namespaces = ['--cgroup', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const inside = [process.execPath, ...TYPESCRIPT, join(__dirname, 'inside.ts'), JSON.stringify(plan)];
    const child = spawn(
      'sh',
      ['-c', ENTER, 'sh', ...cgroups, '--', 'unshare', ...namespaces, '--', 'bash', '-c', REAP, 'bash', ...inside],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true, // Ctrl-C is for this process, which then removes all of it
        env: { ...process.env, TMPDIR: join(directory, 'tmp') }, // process ids in names of files mean nothing outside
      },
    );
    [code] = (await once(child, 'close')) as [number | null];
    if (option === '--keep-logs' && logs !== undefined) keepLogs(directory, resolve(logs));
  } finally {
    removeCgroups(each => each === name);
    forget();
    rmSync(directory, { recursive: true, force: true });
  }
  const left = traces(hierarchies()).filter(trace => !before.includes(trace));
  for (const trace of left) console.log(`LEFT: ${trace}`);
  report.done(left.length === 0 ? 'nothing is left on the machine' : `${left.length} traces are left on the machine`);
  return left.length === 0 ? (code ?? 1) : 1;
}

function keepLogs(directory: string, to: string): void {
  for (const from of ['node', 'var/log', 'tmp']) {
    cpSync(join(directory, from), join(to, from), {
      recursive: true,
      filter: path => !/\/(etcd|opt|pki|tls.key|accounts.key|tokens.csv|admin.kubeconfig)$/.test(path),
    });
  }
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
