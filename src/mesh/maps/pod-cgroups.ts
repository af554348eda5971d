import { readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Cgroup } from '../../bpf';
import { NotACgroupError } from '../../errors';
import type { PodCgroup } from '../../policy';

/**
 * `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice` and one more above it, as kind has it.
 */
const MAX_DEPTH = 4;
/**
 * Both drivers of the kubelet: `pod<uid>`, and for systemd `…-pod<uid>.slice`, where `-` stands for `/` and so is
 * written `_`.
 */
const POD = /(?:^|-)pod([0-9a-f_-]+)(?:\.slice)?$/;

/**
 * Ids of the cgroups of pods: what `bpf_get_current_ancestor_cgroup_id` answers for their processes.
 *
 * @internal
 */
export class PodCgroups {
  readonly #root: string | undefined;
  /** Paths by UID. The kubelet makes a static pod's cgroup anew under the same name, so ids are asked for each time. */
  #byUid: ReadonlyMap<string, string> = new Map();

  /** @param root - the accelerator's cgroup, below which those of pods are; without it none are looked for by UID */
  constructor(root: string | undefined) {
    this.#root = root;
  }

  /**
   * The id of each, 0 for a UID that no cgroup is named after. The directories are read once, and only if one is not
   * known yet.
   *
   * @throws NotACgroupError for a path that is none, or none below the accelerator's
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
    // Every process of the pods is in the accelerator's cgroup, so that one, or one above it, tells nobody from
    // anybody.
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

/** By inode numbers, because a cgroup may have more than one path. */
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

/** What goes away meanwhile is left out. */
function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
