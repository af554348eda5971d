import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BpfLink } from '../../bpf';
import { DirectoryLock } from '../../bpf/internal';

/** What keeps a program attached. Members that are unknown, or not visible to this process, are left out. */
export interface Holder {
  readonly linkId?: number | undefined;
  /** The pin directory that contains the pin of the link. */
  readonly pinDirectory?: string | undefined;
  /** For a pinned link, the process that holds the pin directory. Otherwise the process that holds the link. */
  readonly pid?: number | undefined;
  /** Tag of the program, if it is visible without CAP_SYS_ADMIN. */
  readonly tag?: string | undefined;
}

/** Maximum number of directories to read in BPF file systems. Other software may have thousands of pins. */
const MOST_DIRECTORIES = 2000;

/**
 * Finds what keeps programs attached: pins in the layout of this library in every BPF file system that is mounted here,
 * and processes with an open link. The result is limited to what this process may see. Pins and processes of other
 * users need root. Those of other namespaces are invisible.
 *
 * @internal
 * @param programs - ids of the programs
 * @returns holders by program id. Programs without a known holder have no entry
 */
export function findHolders(programs: ReadonlySet<number>): ReadonlyMap<number, Holder> {
  const found = new Map<number, Holder>();
  const loaded = new Map<number, Holder>();
  for (const { kind, pid, fields } of openObjects()) {
    const programId = Number(fields.get('prog_id'));
    if (!programs.has(programId)) continue;
    const tag = fields.get('prog_tag');
    const holder: Holder = { pid, ...(tag !== undefined && { tag }) };
    if (kind === 'link') found.set(programId, { ...holder, linkId: Number(fields.get('link_id')) });
    else loaded.set(programId, holder);
  }
  for (const { programId, ...holder } of pinnedLinks())
    if (programs.has(programId)) found.set(programId, { ...holder, ...tagOf(loaded.get(programId)) });
  // A process that has the program open but no link may have pinned the link where it is not visible from here.
  for (const [programId, holder] of loaded) if (!found.has(programId)) found.set(programId, holder);
  return found;
}

function tagOf(holder: Holder | undefined): Holder {
  return holder?.tag === undefined ? {} : { tag: holder.tag };
}

/** Links and programs that processes have open; see proc_pid_fdinfo(5). */
function* openObjects(): Generator<
  { kind: 'link' | 'program'; pid: number; fields: ReadonlyMap<string, string> },
  void,
  undefined
> {
  for (const pid of read(() => readdirSync('/proc')) ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of read(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const target = read(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? '';
      if (!/^anon_inode:\[?bpf.(link|prog)/.test(target)) continue;
      const kind = target.includes('link') ? 'link' : 'program';
      const text = read(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1')) ?? '';
      yield {
        kind,
        pid: Number(pid),
        fields: new Map(text.split('\n').map(line => line.split(/:\s+/, 2) as [string, string])),
      };
    }
  }
}

/** Links that are pinned in any version of the layout of this library. */
function* pinnedLinks(): Generator<Holder & { readonly programId: number }, void, undefined> {
  for (const links of linkDirectories()) {
    const pinDirectory = dirname(dirname(links));
    const pid = read(() => {
      using lock = DirectoryLock.open(pinDirectory);
      return lock.holder();
    });
    for (const name of read(() => readdirSync(links)) ?? []) {
      const link = read(() => {
        using open = BpfLink.openPin(join(links, name));
        return { programId: open.programId(), linkId: open.id };
      });
      if (link !== undefined) yield { ...link, pinDirectory, ...(pid !== undefined && { pid }) };
    }
  }
}

/** Each `v<number>/links` directory in each BPF file system. */
function* linkDirectories(): Generator<string, void, undefined> {
  const waiting = bpfFileSystems();
  for (let seen = 0; seen < MOST_DIRECTORIES; seen++) {
    const path = waiting.shift();
    if (path === undefined) return;
    const entries = read(() => readdirSync(path, { withFileTypes: true })) ?? [];
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      const at = join(path, entry.name);
      if (entry.name === 'links' && /\/v\d+$/.test(path)) yield at;
      else waiting.push(at);
    }
  }
}

function bpfFileSystems(): string[] {
  const lines = (read(() => readFileSync('/proc/mounts', 'utf8')) ?? '').split('\n').map(line => line.split(' '));
  // /proc/mounts escapes blanks and similar characters as octal numbers.
  const unescaped = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return lines.flatMap(([, target, type]) => (type === 'bpf' && target !== undefined ? [unescaped(target)] : []));
}

/** Returns `undefined` if the call fails, because an object disappeared meanwhile or belongs to another user. */
function read<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}
