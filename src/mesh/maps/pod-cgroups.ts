import { readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Cgroup } from '../../bpf';
import { NotACgroupError } from '../../errors';
import type { PodCgroup } from '../../policy';

/**
 * Depth of `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice`, with one more directory above
 * it as in kind.
 */
const MAX_DEPTH = 4;
/**
 * Names that the kubelet gives to cgroups of pods: `pod<uid>` with the cgroupfs driver, `…-pod<uid>.slice` with the
 * systemd driver. There `_` replaces `-` in the UID, because `-` separates the parts of a slice name.
 */
const POD = /(?:^|-)pod([0-9a-f_-]+)(?:\.slice)?$/;

/**
 * Finds the ids of the cgroups of pods: the values that `bpf_get_current_ancestor_cgroup_id` returns for their
 * processes.
 *
 * @internal
 */
export class PodCgroups {
  readonly #root: string | undefined;
  /** Paths by UID. The kubelet may create the cgroup of a static pod again at the same path, so ids are not cached. */
  #byUid: ReadonlyMap<string, string> = new Map();

  /** @param root - the accelerator's cgroup, an ancestor of those of pods. Without it, UIDs cannot be found */
  constructor(root: string | undefined) {
    this.#root = root;
  }

  /**
   * Finds the ids of cgroups. The directories are read once per call, and only if a UID is not known yet.
   *
   * @param pods - the cgroup of each pod
   * @returns the id of each. 0 if none is given, or if no cgroup is named after the UID
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if a path is not a cgroup, or not below the accelerator's
   */
  idsOf(pods: readonly (PodCgroup | undefined)[]): bigint[] {
    let isFresh = false;
    const byUid = (uid: string): bigint => {
      const name = uid.toLowerCase().replaceAll('_', '-');
      const known = inodeOf(this.#byUid.get(name));
      if (known !== undefined || isFresh || this.#root === undefined) return known ?? 0n;
      isFresh = true;
      this.#byUid = cgroupsByUid(this.#root);
      return inodeOf(this.#byUid.get(name)) ?? 0n;
    };
    return pods.map(pod => {
      if (pod === undefined || typeof pod === 'bigint') return pod ?? 0n;
      return typeof pod === 'string' ? this.#byPath(pod) : byUid(pod.podUid);
    });
  }

  #byPath(path: string): bigint {
    using cgroup = Cgroup.open(path);
    const { id } = cgroup;
    // Every process of all pods is in the accelerator's cgroup, so that cgroup and its ancestors cannot distinguish
    // pods.
    if (this.#root !== undefined && !isBelow(path, inodeOf(this.#root)))
      throw new NotACgroupError(path, `it is not below the accelerator's cgroup, ${this.#root}`, {
        hint: "name the pod's own cgroup",
      });
    return id;
  }
}

function inodeOf(path: string | undefined): bigint | undefined {
  return path === undefined ? undefined : statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Compares inode numbers, because a cgroup may have more than one path. */
function isBelow(path: string, root: bigint | undefined): boolean {
  for (let at = realpathSync(path); at !== '/'; at = dirname(at)) if (inodeOf(dirname(at)) === root) return true;
  return false;
}

function cgroupsByUid(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string, depth: number): void => {
    for (const name of directoriesIn(path)) {
      const at = join(path, name);
      const uid = POD.exec(name)?.[1];
      if (uid !== undefined) {
        found.set(uid.replaceAll('_', '-'), at);
      } else if (depth < MAX_DEPTH) {
        visit(at, depth + 1);
      }
    }
  };
  visit(root, 1);
  return found;
}

/** Names of the directories in a directory. Empty if it was removed meanwhile. */
function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
