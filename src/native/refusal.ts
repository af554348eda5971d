/** Why bpf(2) answers EPERM to a process that has the capabilities. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';

/** What is known of a process and its kernel; `undefined` for what cannot be read. */
export interface Confinement {
  /** /proc/self/status. */
  readonly status: string | undefined;
  /** /proc/self/uid_map. */
  readonly uidMap: string | undefined;
  /** /proc/self/limits. */
  readonly limits: string | undefined;
  /** /sys/kernel/security/lockdown. */
  readonly lockdown: string | undefined;
  /** What `uname -r` says. */
  readonly release: string;
}

/** The file of this process or machine. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Before this release the kernel charges maps and programs to RLIMIT_MEMLOCK, and answers EPERM beyond it. */
function chargesLockedMemory(text: string): boolean {
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(text) ?? []).map(Number);
  return major < 5 || (major === 5 && minor < 11);
}

/**
 * What may have refused, and what to do.
 *
 * @param found - what is known; default: of this process
 * @returns a hint: what applies here, or what else refuses
 */
export function whyRefused(
  found: Confinement = {
    status: read('/proc/self/status'),
    uidMap: read('/proc/self/uid_map'),
    limits: read('/proc/self/limits'),
    lockdown: read('/sys/kernel/security/lockdown'),
    release: release(),
  },
): string {
  if (found.status === undefined)
    return 'what this process lacks cannot be read, because /proc is not mounted: mount -t proc proc /proc';
  const reasons: string[] = [];
  if (found.uidMap !== undefined && !/^\s*0\s+0\s+4294967295\s*$/.test(found.uidMap))
    reasons.push(
      'it is in a user namespace, whose capabilities do not count for bpf(2): run it in the initial one (hostUsers: true, no rootless container)',
    );
  const locked = /^Max locked memory\s+(\d+)/m.exec(found.limits ?? '')?.[1];
  if (locked !== undefined && chargesLockedMemory(found.release))
    reasons.push(
      `Linux ${found.release} charges maps and programs to RLIMIT_MEMLOCK, which is ${locked} bytes: raise it (ulimit -l unlimited, LimitMEMLOCK=infinity)`,
    );
  if (/^Seccomp:\s*2$/m.test(found.status))
    reasons.push('a seccomp filter is in force: its profile must let bpf(2) through');
  if (/\[confidentiality\]/.test(found.lockdown ?? ''))
    reasons.push('the kernel is locked down: boot it with lockdown=integrity or none');
  return reasons.length === 0
    ? 'the process has the capabilities, so a security module (SELinux, AppArmor) or file permissions refused'
    : `the process has the capabilities, but ${reasons.join('; and ')}`;
}
