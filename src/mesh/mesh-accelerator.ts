import { availableParallelism, release, version } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { TypedEmitter } from 'tiny-typed-emitter';
import { Cgroup, kernelAtLeast, kernelVersion, OpenBpfObject, type BpfObject } from '../bpf';
import { AlreadyAttachedError, ClosedError, KernelAdvisoryError, NotSupportedError, VerifierError } from '../errors';
import { assertAcceleration, type Acceleration } from './acceleration';
import { witness } from './witness';
import { Drain } from './drain';
import { bufferSizes } from './buffer-sizes';
import { CounterReader, type MeshCounters } from './counters';
import { kernelAdvisories } from './kernel-advisories';
import { LocalPodIps } from './local-pod-ips';
import { resolveOptions, type BacklogAccount, type MeshAcceleratorOptions, type ResolvedOptions } from './mesh-options';
import { MeshSettings } from './mesh-settings';
import { objectPath } from './objects';
import { PairOriginalDst } from './pair-original-dst';
import { ProcessIp } from './process-ip';
import { programSettingsCodec, type MeshProfile } from './profile';
import { Resources } from './resources';
import { SockPairMap } from './sock-pair-map';

/** What is not as it should be: known faults that the kernel may have. */
export type MeshWarning = KernelAdvisoryError;

/** What an accelerator reports. */
export interface MeshEvents {
  /**
   * Acceleration is on and the kernel may have known faults. The first ones come after
   * the turn of the event loop that `start` resolves in.
   */
  warning: (warning: MeshWarning) => void;
  /** The scope was changed. */
  acceleration: (now: Acceleration, before: Acceleration) => void;
  /** Pods were enrolled or changed, or taken out. */
  pods: (added: readonly string[], deleted: readonly string[]) => void;
  /** The programs are detached. Emitted once. */
  close: () => void;
}

/**
 * cgroup programs in the order in which they are attached: what redirects comes last, so nothing is redirected before it can be answered, and
 * goes first. The others stay until those connections have found their way; `mb_ingress`, which protects accelerated sockets, is around them all.
 */
const servicePrograms = ['mb_sockops', 'mb_getsockopt', 'mb_getpeername4', 'mb_getpeername6'] as const;
const entrancePrograms = ['mb_connect6', 'mb_connect4'] as const;

/** So long after it was dialled, a sidecar has accepted a connection and has asked where it wanted to go. */
const SETTLED_MS = 500;

/**
 * Sends the connections of enrolled pods through their sidecars without iptables, and moves the bytes of local connections straight from
 * socket to socket.
 *
 * The programs stay attached until {@link close} or until the process ends, whichever is first; the object keeps the process alive as a
 * listening server does ({@link unref} changes that). Existing connections survive both. Needs Linux 5.15, libbpf 1.0, and
 * CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or root).
 *
 * Only TCP over IPv4 between pods of this node is redirected: what comes in from other nodes still needs the mesh's own rules, with which
 * the programs get along.
 *
 * @example
 * ```ts
 * import { MeshAccelerator } from 'merbridge';
 *
 * async function main(): Promise<void> {
 *   const mesh = await MeshAccelerator.start({ profile: 'istio', cgroup: '/sys/fs/cgroup/kubepods.slice' });
 *   mesh.on('warning', (warning) => console.warn(warning.message));
 *   mesh.localPodIps.set('10.0.0.7', {});
 *   process.once('SIGTERM', () => void mesh.close());
 * }
 * void main();
 * ```
 */
export class MeshAccelerator extends TypedEmitter<MeshEvents> {
  /** The pods of this node that carry a sidecar. Yours to keep up to date. */
  readonly localPodIps: LocalPodIps;
  /** What was dialled, for connections that are being set up. */
  readonly pairOriginalDst: PairOriginalDst;
  /** The accelerated sockets. */
  readonly sockPairMap: SockPairMap;
  /** Which sidecar process serves which pod. */
  readonly processIp: ProcessIp;
  /** The mesh that was chosen. */
  readonly profile: MeshProfile;
  /** Path of the cgroup that the programs are attached to. */
  readonly cgroup: string;
  /** Who keeps the account of what waits in accelerated sockets. */
  readonly backlogAccount: BacklogAccount;

  /** What must stay until accelerated sockets are drained and sidecars have asked, and what sends connections their way. */
  readonly #foundation: Resources;
  readonly #entrances: Resources;
  readonly #settings: MeshSettings;
  readonly #counters: CounterReader;
  readonly #drain: Drain;
  readonly #ignoreAdvisories: boolean | readonly string[];
  readonly #warnings: MeshWarning[] = [];
  readonly #keepAlive: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  /**
   * Loads the programs and attaches them. If anything fails, everything is taken back and nothing stays behind.
   *
   * @param options - the cgroup, the mesh, the scope
   * @returns the accelerator, attached
   * @throws TypeError or RangeError for options that make no sense
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path is none, or no cgroup2 is mounted
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if an accelerator is attached to the cgroup or to one above it
   * @throws PermissionError (`ERR_BPF_PERMISSION`) with the missing capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel is older than 5.15
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf is missing
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the compiled programs are missing or damaged
   * @throws VerifierError (`ERR_BPF_VERIFIER`) with the whole log if the kernel refuses a program
   */
  static async start(options: MeshAcceleratorOptions): Promise<MeshAccelerator> {
    // Asynchronous by contract: what a later version has to wait for must not change the signature.
    await Promise.resolve();
    const resolved = resolveOptions(options);
    const foundation = new Resources();
    const entrances = new Resources();
    try {
      return new MeshAccelerator(resolved, foundation, entrances);
    } catch (error) {
      try {
        entrances[Symbol.dispose]();
      } finally {
        foundation[Symbol.dispose]();
      }
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, foundation: Resources, entrances: Resources) {
    super();
    const cgroup = foundation.use(Cgroup.open(options.cgroup));
    refuseSecond(cgroup, options.cgroup);
    const self = witness();
    foundation.use(self.pair);
    this.backlogAccount = self.chargesReceiver && options.backlogAccount === 'auto' ? 'kernel' : 'programs';
    const object = foundation.use(load(options, this.backlogAccount));
    this.#ignoreAdvisories = options.ignoreAdvisories;

    this.cgroup = options.cgroup;
    this.profile = options.profile;
    this.#settings = new MeshSettings(object, options.acceleration, self);
    this.#counters = new CounterReader(object);
    this.#drain = new Drain(object);
    this.pairOriginalDst = new PairOriginalDst(object);
    this.sockPairMap = new SockPairMap(object);
    this.processIp = new ProcessIp(object);
    this.localPodIps = new LocalPodIps(object, (added, deleted) => this.#podsChanged(added, deleted));
    this.localPodIps.setMany(options.pods);

    foundation.use(cgroup.attach(object.program('mb_ingress')));
    foundation.use(this.sockPairMap.map.attachVerdict(object.program(messageProgram())));
    for (const name of servicePrograms) foundation.use(cgroup.attach(object.program(name)));
    for (const name of entrancePrograms) entrances.use(cgroup.attach(object.program(name)));
    // Another process may have started at the same time, and found nobody either.
    refuseSecond(cgroup, options.cgroup, object.program('mb_connect4').id);
    this.#foundation = foundation;
    this.#entrances = entrances;
    // A server keeps its process alive, and so does this: its links end with the process.
    this.#keepAlive = setInterval(() => undefined, 0x7fffffff);
    this.#warnOfAdvisories();
  }

  /** What there is to know of this kernel: its known faults, if acceleration was on at any time. */
  get warnings(): readonly MeshWarning[] {
    return this.#warnings;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The scope for pods that do not choose their own. `'off'` is final: it stops acceleration for every pod at once, existing connections
   * included, without a byte lost; what waits in a socket is still read first. A wider scope is for new connections.
   */
  get acceleration(): Acceleration {
    return this.#settings.acceleration;
  }

  /**
   * Changes the scope; see the getter. If this switches acceleration on for the first time, there may be a `warning` of the kernel's faults.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    if (this.closed) throw new ClosedError('MeshAccelerator');
    const before = this.#settings.acceleration;
    this.#settings.acceleration = value;
    if (before !== value) this.emit('acceleration', value, before);
    this.#warnOfAdvisories();
  }

  /**
   * What the programs counted since they were loaded, summed over all CPUs.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  counters(): MeshCounters {
    return this.#counters.read();
  }

  /**
   * The same for each possible CPU, by its number.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  countersPerCpu(): MeshCounters[] {
    return this.#counters.readPerCpu();
  }

  /** Lets the process end although the accelerator is not closed; the programs are detached then. Returns this. */
  unref(): this {
    this.#keepAlive.unref();
    return this;
  }

  /** Undoes {@link unref}. Returns this. */
  ref(): this {
    this.#keepAlive.ref();
    return this;
  }

  /**
   * Detaches everything and frees the maps. New connections take their old path at once. Existing ones live on over the TCP stack, and
   * what was queued in their sockets is still read first but their `getpeername` names the sidecar from now on. If connections were redirected,
   * this takes half a second, in which those that are being set up come to their sidecar, and up to eight while readers are slow with what was
   * redirected to them. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Same as {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#keepAlive);
    try {
      // Sockets keep their sk_msg program until they are closed, whatever is detached: only the switch reaches them.
      this.#settings.acceleration = 'off';
      this.#entrances[Symbol.dispose]();
      const { outbound, inbound, sockets } = this.#counters.read();
      await Promise.all([outbound + inbound > 0n && setTimeout(SETTLED_MS), sockets > 0n && this.#drain.finished()]);
    } finally {
      this.#entrances[Symbol.dispose]();
      this.#foundation[Symbol.dispose]();
    }
    this.emit('close');
  }

  #warn(warning: MeshWarning): void {
    this.#warnings.push(warning);
    setImmediate(() => {
      if (!this.closed) this.emit('warning', warning);
    });
  }

  /** Once, and only for what is in use: redirection alone puts no socket into a sockmap. */
  #warnOfAdvisories(): void {
    const ignored = this.#ignoreAdvisories;
    if (ignored === true || this.acceleration === 'off' || this.#warnings.length > 0) return;
    const advisories = kernelAdvisories(release(), version()).filter(({ id }) => ignored === false || !ignored.includes(id));
    if (advisories.length > 0) this.#warn(new KernelAdvisoryError(release(), advisories));
  }

  #podsChanged(added: readonly string[], deleted: readonly string[]): void {
    this.#settings.touch();
    if (deleted.length > 0) this.processIp.forget(deleted);
    if (added.length + deleted.length > 0) this.emit('pods', added, deleted);
  }
}

function refuseSecond(cgroup: Cgroup, path: string, own?: number): void {
  const ours = cgroup
    .programs({ attachType: 'cgroup/connect4', effective: true })
    .filter(({ name, id }) => name === 'mb_connect4' && id !== own);
  if (ours.length > 0)
    throw new AlreadyAttachedError(path, ours, {
      operation: 'MeshAccelerator.start',
      hint: 'close the accelerator that holds it, in this process or another one, before a second is started',
    });
}

/** Two programs do the same for messages; the first names a function that older kernels refuse, see bpf/include/read.h. */
const messagePrograms = ['mb_redirect_msg', 'mb_redirect_msg_by_calls'] as const;

function messageProgram(): string {
  return messagePrograms[kernelAtLeast('6.2') ? 0 : 1];
}

function load(options: ResolvedOptions, account: BacklogAccount): BpfObject {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  for (const name of messagePrograms) open.program(name).autoload = name === messageProgram();
  // A CPU takes free elements of an LRU map by the hundred: without room for all CPUs, fresh entries would be evicted.
  const pending = Math.max(16384, availableParallelism() * 1024);
  open.map('local_pod_ips').maxEntries = options.maxPods;
  open.map('netns_pods').maxEntries = Math.max(options.maxPods, pending);
  open.map('sock_pair_map').maxEntries = options.maxSockets;
  open.map('pair_original_dst').maxEntries = pending;
  open.map('peer_introductions').maxEntries = Math.max(pending, Math.ceil(options.maxSockets / 4));
  open.variable('profile').set(
    { profile: options.profile, charged: account === 'kernel', ...bufferSizes(options.backlogLimit) },
    programSettingsCodec,
  );
  try {
    return open.load();
  } catch (error) {
    const { major, minor } = kernelVersion();
    if (error instanceof VerifierError && (major < 5 || (major === 5 && minor < 15)))
      throw new NotSupportedError('network namespace cookies in sockops, getsockopt and sk_msg', {
        minimumKernel: '5.15',
        cause: error,
      });
    throw error;
  }
}
