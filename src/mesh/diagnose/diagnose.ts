import { readFileSync } from 'node:fs';
import { arch, release, version } from 'node:os';
import { Cgroup } from '../../bpf';
import { libbpfVersion, missingCapabilities } from '../../bpf/internal';
import { describeHolder, shown, type AttachmentHolder, type KernelAdvisory } from '../../errors';
import { refuseUnknown, resolvePinDirectory } from '../../policy';
import { diagnoseAttachments, diagnoseCgroup, type DiagnosedAttachment, type DiagnosedCgroup } from './diagnose-cgroup';
import { diagnoseFeatures, problemsOf, type DiagnosedFeature } from './diagnose-features';
import { diagnoseHazards, type DiagnosedHazard } from './diagnose-hazards';
import { diagnosePins, type DiagnosedPins } from './diagnose-pins';
import { findAccelerators, overlapping } from '../accelerators/find-accelerators';
import { kernelAdvisories } from '../kernel-advisories';

/** In the place of what could not be found out: the reason. */
export interface Unknown {
  /** Why it is not known. */
  readonly unknown: string;
}

/** What {@link diagnose} looks at. */
export interface DiagnoseOptions {
  /** The cgroup to look at, and above. Default: the first mount of cgroup2. */
  readonly cgroup?: string | undefined;
  /** A directory for pins. Default: none. */
  readonly pinDirectory?: string | undefined;
  /** As for `MeshAccelerator.start`: what accelerated sockets may hold. Default 2 MiB. */
  readonly backlogLimit?: number | undefined;
}

/** What {@link diagnose} found: plain data, for `JSON.stringify`. */
export interface Diagnosis {
  /** Whether acceleration can work here, for this process and this cgroup. */
  readonly ok: boolean;
  /** What stands in its way; empty if `ok`. */
  readonly problems: readonly string[];
  readonly kernel: {
    readonly release: string;
    readonly version: string;
    readonly architecture: string;
    /** Known faults that it may have. */
    readonly advisories: readonly KernelAdvisory[];
  };
  readonly libbpf: { readonly version: string; readonly path: string | undefined } | Unknown;
  readonly process: {
    readonly uid: number | undefined;
    /** Capabilities that are needed and that it lacks. */
    readonly missingCapabilities: readonly string[];
  };
  readonly features: readonly DiagnosedFeature[];
  readonly cgroup: DiagnosedCgroup | Unknown;
  /** What is attached to the cgroup and above it, whoever did it. */
  readonly attached: readonly DiagnosedAttachment[] | Unknown;
  /**
   * Accelerators at the cgroup, above it and below it, and who holds them. Two of which one is at or below the other
   * are a problem.
   */
  readonly accelerators: readonly AttachmentHolder[] | Unknown;
  /** `undefined` without `pinDirectory`. */
  readonly pins: DiagnosedPins | Unknown | undefined;
  readonly hazards: readonly DiagnosedHazard[] | Unknown;
}

/**
 * Finds out whether acceleration can work here, and what is there already. Each feature is tried: by a small map, or by
 * loading one of the shipped programs alone. Nothing is attached to a cgroup, nothing is changed, nothing is left open.
 * It works without root, as far as it can: what cannot be known says why.
 *
 * @param options - which cgroup, which pins
 * @returns what was found; what the machine lacks is told, never thrown
 * @throws TypeError for options that make no sense
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
    // What another process is changing at this moment, or keeps for itself, is no problem of the machine.
    ...(pins !== undefined && 'unknown' in pins ? [pins.unknown] : []),
    ...(double.length === 0
      ? []
      : [
          `accelerators redirect the same connections: ${double.map(each => `program ${each.programId}${describeHolder(each)}`).join('; ')}`,
        ]),
  ];
  // What could not be tried for want of a capability is that one problem, not many.
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

const NO_CGROUP: Unknown = { unknown: 'there is no cgroup to look at' };

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

/** Where it was loaded from; `undefined` if /proc does not tell. */
function libbpfPath(): string | undefined {
  try {
    return /\s(\/\S*libbpf\S*)$/m.exec(readFileSync('/proc/self/maps', 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}
