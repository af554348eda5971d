import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup } from '../../bpf';

/** The cgroup of a pod: the path of its directory, the UID by which the kubelet has named it, or its id, the inode number of the directory. */
export type PodCgroup = string | bigint | { readonly podUid: string };

/** `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice` and one more above it, as kind has it. */
const MAX_DEPTH = 4;
/** Both drivers of the kubelet: `pod<uid>`, and for systemd `…-pod<uid>.slice`, where `-` stands for `/` and so is written `_`. */
const POD = /(?:^|-)pod([0-9a-f_-]+)(?:\.slice)?$/;

/**
 * Ids of the cgroups of pods: what `bpf_get_current_ancestor_cgroup_id` answers for their processes.
 *
 * @internal
 */
export class PodCgroups {
  readonly #root: string | undefined;
  #byUid: ReadonlyMap<string, bigint> = new Map();

  /** @param root - below which cgroups are looked for by UID; none are without it */
  constructor(root: string | undefined) {
    this.#root = root;
  }

  /**
   * The id of each, 0 for a UID that no cgroup is named after. The directories are read once, and only if one is not known yet.
   *
   * @throws NotACgroupError for a path that is none
   */
  idsOf(pods: readonly (PodCgroup | undefined)[]): bigint[] {
    let isFresh = false;
    const byUid = (uid: string): bigint => {
      const name = uid.toLowerCase().replaceAll('_', '-');
      const known = this.#byUid.get(name);
      if (known !== undefined || isFresh || this.#root === undefined) return known ?? 0n;
      isFresh = true;
      this.#byUid = cgroupsByUid(this.#root);
      return this.#byUid.get(name) ?? 0n;
    };
    return pods.map((pod) => {
      if (pod === undefined || typeof pod === 'bigint') return pod ?? 0n;
      return typeof pod === 'string' ? idOf(pod) : byUid(pod.podUid);
    });
  }
}

function idOf(path: string): bigint {
  using cgroup = Cgroup.open(path);
  return cgroup.id;
}

function cgroupsByUid(root: string): Map<string, bigint> {
  const found = new Map<string, bigint>();
  const visit = (path: string, depth: number): void => {
    for (const name of directoriesIn(path)) {
      const at = join(path, name);
      const uid = POD.exec(name)?.[1];
      if (uid !== undefined) {
        const id = statSync(at, { bigint: true, throwIfNoEntry: false })?.ino;
        if (id !== undefined) found.set(uid.replaceAll('_', '-'), id);
      } else if (depth < MAX_DEPTH) {
        visit(at, depth + 1);
      }
    }
  };
  visit(root, 1);
  return found;
}

/** What goes away meanwhile is left out. */
function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
