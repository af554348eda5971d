/**
 * Child processes that end with the process that starts them, however that one ends: the kernel sends them SIGKILL
 * (PR_SET_PDEATHSIG). All child processes of tests, of the bed and of benchmarks come from here; lint holds it.
 *
 * `setpriv` sets the signal and becomes the program, so the id that Node.js knows is the program's own. Three things
 * take it back, or never had it:
 *
 * - A change of user or of capabilities. Where a child changes them by itself, {@link BOUND} comes once more, last of
 *   all before the program.
 * - A fork: the children of a child have no such signal. Where a child starts others that last, it binds them in the
 *   same way.
 * - The end of the thread that started it. Node.js starts children in the thread that asks for them; here that is the
 *   main one.
 *
 * @see prctl(2), PR_SET_PDEATHSIG
 */
import * as node from 'node:child_process';
import { join } from 'node:path';

/** Before a command line: what follows ends with the process that is its parent now. */
export const BOUND = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

/** Arguments of `node` for a program in TypeScript. */
export const TYPESCRIPT = ['-r', join(__dirname, '..', '..', 'scripts', 'typescript.cjs')] as const;

/** The arguments of a function of node:child_process, with the command line bound. */
function bound([command, ...more]: [string, ...unknown[]]): unknown[] {
  const args = Array.isArray(more[0]) ? (more.shift() as string[]) : [];
  const [setpriv, ...flags] = BOUND;
  return [setpriv, [...flags, command, ...args], ...more];
}

/** As in node:child_process. */
export const spawn = ((...args: [string]) =>
  (node.spawn as (...all: unknown[]) => unknown)(...bound(args))) as typeof node.spawn;
/** As in node:child_process, but a command that is not there ends with status 127. */
export const spawnSync = ((...args: [string]) =>
  (node.spawnSync as (...all: unknown[]) => unknown)(...bound(args))) as typeof node.spawnSync;
/** As in node:child_process, but a command that is not there ends with status 127. */
export const execFileSync = ((...args: [string]) =>
  (node.execFileSync as (...all: unknown[]) => unknown)(...bound(args))) as typeof node.execFileSync;

/** What a process said and how it ended. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits for the end of a process. Returns what it printed, as far as that is piped; fails if it did not start. */
export function finished(child: node.ChildProcess): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
