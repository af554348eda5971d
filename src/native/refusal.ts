/** Explains why bpf(2) returns EPERM to a process that has the capabilities. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';

/** Restrictions of a process and its kernel. `undefined` if the file cannot be read. */
export interface Confinement {
  /** Contents of /proc/self/status. */
  readonly status: string | undefined;
  /** Contents of /proc/self/uid_map. */
  readonly uidMap: string | undefined;
  /** Contents of /proc/self/limits. */
  readonly limits: string | undefined;
  /** Contents of /sys/kernel/security/lockdown. */
  readonly lockdown: string | undefined;
  /** Release of the kernel, as `uname -r` prints it. */
  readonly release: string;
}

/** Reads a file of this process or machine. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * Whether the kernel charges maps and programs to RLIMIT_MEMLOCK, as releases before 5.11 do. Above the limit they
 * return EPERM.
 */
function chargesLockedMemory(text: string): boolean {
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(text) ?? []).map(Number);
  return major < 5 || (major === 5 && minor < 11);
}

/**
 * Returns what may have refused, and what to do.
 *
 * @param found - restrictions. Default: those of this process
 * @returns a hint: the restrictions that apply here, or what else may have refused
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
    return 'the missing capabilities cannot be determined, because /proc is not mounted: mount -t proc proc /proc';
  const reasons: string[] = [];
  if (found.uidMap !== undefined && !/^\s*0\s+0\s+4294967295\s*$/.test(found.uidMap))
    reasons.push(
      'it is in a user namespace, whose capabilities do not apply to bpf(2): run it in the initial one (hostUsers: true, no rootless container)',
    );
  const locked = /^Max locked memory\s+(\d+)/m.exec(found.limits ?? '')?.[1];
  if (locked !== undefined && chargesLockedMemory(found.release))
    reasons.push(
      `Linux ${found.release} charges maps and programs to RLIMIT_MEMLOCK, which is ${locked} bytes: raise it (ulimit -l unlimited, LimitMEMLOCK=infinity)`,
    );
  if (/^Seccomp:\s*2$/m.test(found.status)) reasons.push('a seccomp filter is in force: its profile must allow bpf(2)');
  if (/\[confidentiality\]/.test(found.lockdown ?? ''))
    reasons.push('the kernel is locked down: boot it with lockdown=integrity or none');
  return reasons.length === 0
    ? 'the process has the capabilities, so a security module (SELinux, AppArmor) or file permissions refused'
    : `the process has the capabilities, but ${reasons.join('; and ')}`;
}
