import { readFileSync } from 'node:fs';
import { arch, release, version } from 'node:os';
import { Cgroup } from '../../bpf';
import { libbpfVersion, missingCapabilities } from '../../bpf/internal';
import { describeHolder, shown, type AttachmentHolder, type KernelAdvisory } from '../../errors';
import { refuseUnknown } from '../../checks';
import { resolvePinDirectory } from '../pins/pin-path';
import { diagnoseAttachments, diagnoseCgroup, type DiagnosedAttachment, type DiagnosedCgroup } from './diagnose-cgroup';
import { diagnoseFeatures, problemsOf, type DiagnosedFeature } from './diagnose-features';
import { diagnoseHazards, type DiagnosedHazard } from './diagnose-hazards';
import { diagnosePins, type DiagnosedPins } from './diagnose-pins';
import { findAccelerators, overlapping } from '../accelerators/find-accelerators';
import { kernelAdvisories } from '../kernel-advisories';

/** Stands for a part of a {@link Diagnosis} that could not be determined. */
export interface Unknown {
  /** Why it could not be determined. */
  readonly unknown: string;
}

/** Options of {@link diagnose}. */
export interface DiagnoseOptions {
  /** Path of the cgroup to examine, together with its ancestors. Default: the first mount point of cgroup2. */
  readonly cgroup?: string | undefined;
  /** Path of a pin directory to examine. Default: none. */
  readonly pinDirectory?: string | undefined;
  /** Bytes that may wait in one accelerated socket, as for `MeshAccelerator.start`. Default: 2 MiB. */
  readonly backlogLimit?: number | undefined;
}

/** Result of {@link diagnose}: plain data that `JSON.stringify` accepts. */
export interface Diagnosis {
  /** Whether acceleration can work here, for this process and this cgroup. */
  readonly ok: boolean;
  /** The problems that prevent acceleration. Empty if `ok`. */
  readonly problems: readonly string[];
  /** The running kernel. */
  readonly kernel: {
    /** Release, as `uname -r` prints it. */
    readonly release: string;
    /** Version, as `uname -v` prints it. */
    readonly version: string;
    /** Architecture, as `process.arch` names it. */
    readonly architecture: string;
    /** Known bugs that it may have. */
    readonly advisories: readonly KernelAdvisory[];
  };
  /** Version of libbpf, and the path of its file. The path is `undefined` if /proc/self/maps does not show it. */
  readonly libbpf: { readonly version: string; readonly path: string | undefined } | Unknown;
  /** This process. */
  readonly process: {
    /** Effective user id. */
    readonly uid: number | undefined;
    /** Required capabilities that it lacks. */
    readonly missingCapabilities: readonly string[];
  };
  /** Features of the kernel, with whether they work. */
  readonly features: readonly DiagnosedFeature[];
  /** The cgroup that was examined. */
  readonly cgroup: DiagnosedCgroup | Unknown;
  /** All programs that are attached to the cgroup and its ancestors, whoever attached them. */
  readonly attached: readonly DiagnosedAttachment[] | Unknown;
  /**
   * Accelerators that are attached to the cgroup, its ancestors or its descendants, and what holds them. Two of them
   * are a problem if one is attached at or below the cgroup of the other.
   */
  readonly accelerators: readonly AttachmentHolder[] | Unknown;
  /** Contents of the pin directory. `undefined` if the option `pinDirectory` is not given. */
  readonly pins: DiagnosedPins | Unknown | undefined;
  /** Properties of this machine that affect acceleration. */
  readonly hazards: readonly DiagnosedHazard[] | Unknown;
}

/**
 * Determines whether acceleration can work on this machine, and what is attached and pinned already.
 *
 * It tests each feature by creating a small map or by loading one of the shipped programs alone. It attaches nothing to
 * a cgroup, changes nothing and leaves nothing open. It also works without root: a part that cannot be determined then
 * says why.
 *
 * @param options - the cgroup and the pin directory to examine
 * @returns the diagnosis. It reports what the machine lacks; it does not throw for that
 * @throws TypeError if an option is unknown or invalid
 * @example
 * ```ts
 * import { diagnose } from 'merbridge';
 *
 * async function main(): Promise<void> {
 *   const { ok, problems } = await diagnose({
 *     cgroup: '/sys/fs/cgroup/kubepods.slice',
 *     pinDirectory: '/sys/fs/bpf/merbridge',
 *   });
 *   console.log(ok ? 'acceleration can work here' : problems.join('\n'));
 * }
 * void main();
 * ```
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const { cgroup: path, pinDirectory, backlogLimit = 2 * 1024 * 1024, ...unknown } = options;
  refuseUnknown(unknown, 'diagnose');
  if (!Number.isInteger(backlogLimit) || backlogLimit < 1)
    throw new TypeError(`diagnose: backlogLimit must be a number of bytes, not ${shown(backlogLimit)}`);
  const directory = pinDirectory === undefined ? undefined : resolvePinDirectory(pinDirectory, 'diagnose');
  const libbpf = part(() => ({ version: libbpfVersion(), path: libbpfPath() }));
  const cgroup = part(() => diagnoseCgroup(path));
  const found = 'unknown' in cgroup || !cgroup.valid ? undefined : cgroup.path;
  const accelerators: readonly AttachmentHolder[] | Unknown =
    found === undefined ? NO_CGROUP : part(() => diagnoseAccelerators(found));
  const double = 'unknown' in accelerators ? [] : overlapping(accelerators);
  const features = diagnoseFeatures();
  const pins = directory === undefined ? undefined : await diagnosePins(directory).catch(notKnown);
  const missing = missingCapabilities();
  const general = [
    ...('unknown' in libbpf ? [libbpf.unknown] : []),
    ...(missing.length > 0 ? [`this process lacks ${missing.join(', ')}`] : []),
    ...('unknown' in cgroup ? [cgroup.unknown] : cgroup.valid ? [] : [cgroup.reason ?? 'no cgroup']),
    // Other parts may be unknown because another process changes them right now. That is no problem of the machine.
    ...(pins !== undefined && 'unknown' in pins ? [pins.unknown] : []),
    ...(double.length === 0
      ? []
      : [
          `accelerators redirect the same connections: ${double.map(each => `program ${each.programId}${describeHolder(each)}`).join('; ')}`,
        ]),
  ];
  // A missing capability is one problem. The features that could not be tested because of it are not listed as well.
  const tried = features.filter(({ supported }) => supported !== undefined || missing.length === 0);
  const problems = [...general, ...problemsOf(tried, general)];
  return {
    ok: problems.length === 0,
    problems,
    kernel: {
      release: release(),
      version: version(),
      architecture: arch(),
      advisories: kernelAdvisories(release(), version()),
    },
    libbpf,
    process: { uid: process.geteuid?.(), missingCapabilities: missing },
    features,
    cgroup,
    attached: found === undefined ? NO_CGROUP : part(() => diagnoseAttachments(found)),
    accelerators,
    pins,
    hazards: part(() => diagnoseHazards(backlogLimit)),
  };
}

const NO_CGROUP: Unknown = { unknown: 'there is no cgroup to examine' };

function diagnoseAccelerators(path: string): AttachmentHolder[] {
  using cgroup = Cgroup.open(path);
  return findAccelerators(cgroup, { ids: new Set() }, true);
}

function part<T>(find: () => T): T | Unknown {
  try {
    return find();
  } catch (error) {
    return notKnown(error);
  }
}

function notKnown(error: unknown): Unknown {
  return { unknown: error instanceof Error ? error.message : String(error) };
}

/** Path that libbpf was loaded from. `undefined` if /proc/self/maps does not show it. */
function libbpfPath(): string | undefined {
  try {
    return /\s(\/\S*libbpf\S*)$/m.exec(readFileSync('/proc/self/maps', 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}
