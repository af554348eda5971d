import { ClosedError } from '../errors';
import { assertAcceleration, SteadyEmitter, type Acceleration, type MeshProfile } from '../policy';
import type { MeshCounters } from './maps/counters';
import type { Datapath } from './datapath/datapath';
import type { FionreadCounts } from './datapath/fionread';
import type { Holder, MeshAdoption } from './datapath/holder';
import { ProcessHolder } from './datapath/process-holder';
import type { BacklogAccount } from './datapath/witness';
import { KernelWarnings, type MeshWarning } from './kernel-warnings';
import { LocalPodIps } from './maps/local-pod-ips';
import { mapFill, type MapFill } from './maps/map-fill';
import { checkMesh, type MeshCheckOptions, type MeshProblem } from './mesh-check';
import { MeshEventStream, type ReportedEvents, type Tell } from './events/mesh-events';
import type { EventOptions, EventRates } from './events/event-options';
import { resolveOptions, type MeshAcceleratorOptions, type ResolvedOptions } from './mesh-options';
import { PairOriginalDst } from './maps/pair-original-dst';
import { ProcessIp } from './maps/process-ip';
import { assertRequirements, typedError } from './requirements';
import { PinHolder } from './pins/pin-holder';
import { replacePods } from './maps/replace-pods';
import { SockPairMap } from './maps/sock-pair-map';

/** What an accelerator reports. */
export interface MeshEvents extends ReportedEvents {
  /**
   * Acceleration is on and the kernel may have known faults, or `'full'` is wanted, for all or for a pod, where
   * FIONREAD does not count redirected bytes. Each comes once, the first ones after the turn of the event loop that
   * `start` resolves in.
   */
  warning: (warning: MeshWarning) => void;
  /** The scope was changed. */
  acceleration: (now: Acceleration, before: Acceleration) => void;
  /** Pods were enrolled or changed, or taken out. */
  pods: (added: readonly string[], deleted: readonly string[]) => void;
  /** {@link MeshAccelerator.close} has done its work. Emitted once. */
  close: () => void;
}

/**
 * Sends the connections of enrolled pods through their sidecars without iptables, and moves the bytes of local
 * connections straight from socket to socket.
 *
 * The programs stay attached until {@link close} or until the process ends, whichever is first, or with a
 * `pinDirectory` until `detachAll`; the object keeps the process alive as a listening server does ({@link unref}
 * changes that). Existing connections survive all of it. Needs Linux 5.15, libbpf 1.0, and CAP_BPF, CAP_NET_ADMIN and
 * CAP_PERFMON (or root).
 *
 * Only TCP over IPv4 between pods of this node is redirected: what comes in from other nodes still needs the mesh's own
 * rules, with which the programs get along.
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
export class MeshAccelerator extends SteadyEmitter<MeshEvents> {
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
  /**
   * What FIONREAD counts on an accelerated socket of this kernel. Where that is `'stack'`, some programs hang in
   * `'full'`, and a `warning` says so.
   */
  readonly fionreadCounts: FionreadCounts;

  /** What was taken over from an earlier process; `undefined` if nothing was. */
  readonly adoption: MeshAdoption | undefined;

  readonly #holder: Holder;
  readonly #datapath: Datapath;
  readonly #events: MeshEventStream;
  readonly #warnings: KernelWarnings;
  #keepAlive: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Loads the programs and attaches them. If anything fails, everything is taken back and nothing stays behind; what an
   * earlier process has pinned goes on as before, but with `pods` if it came so far.
   *
   * @param options - the cgroup, the mesh, the scope
   * @returns the accelerator, attached
   * @throws TypeError or RangeError for options that make no sense
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path is none, or no cgroup2 is mounted
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if an accelerator is attached to the cgroup, to one above
   * it or to one below it; `holders` says who holds it
   * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if `pinDirectory` is in none, or in one that is mounted
   * read-only
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) with the path of what lies there and is not of this library
   * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process works with `pinDirectory`
   * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if the pins are of another cgroup, another mesh, or a later
   * version
   * @throws PermissionError (`ERR_BPF_PERMISSION`) with the missing capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) with the feature, and the release or the option of the kernel
   * that brings it
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf is missing, or the native addon does not load
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) with errnoName `'EMFILE'` if the limit of open files is too low
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the compiled programs are missing or damaged
   * @throws VerifierError (`ERR_BPF_VERIFIER`) with the whole log if the kernel refuses a program
   */
  static async start(options: MeshAcceleratorOptions): Promise<MeshAccelerator> {
    // Asynchronous by contract: what a later version has to wait for must not change the signature.
    await Promise.resolve();
    const resolved = resolveOptions(options);
    try {
      assertRequirements();
      return await MeshAccelerator.#start(resolved);
    } catch (error) {
      throw typedError(error);
    }
  }

  static async #start(options: ResolvedOptions): Promise<MeshAccelerator> {
    const { pinDirectory } = options;
    const holder = pinDirectory === undefined ? ProcessHolder.open(options) : PinHolder.open(options, pinDirectory);
    try {
      const mesh = new MeshAccelerator(options, holder);
      await mesh.#attach(options);
      return mesh;
    } catch (error) {
      holder.abandon();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, holder: Holder) {
    super();
    const { datapath, kernel } = holder;
    this.#holder = holder;
    this.#datapath = datapath;
    this.adoption = holder.adoption;
    this.backlogAccount = kernel.account;
    this.fionreadCounts = kernel.fionreadCounts;
    this.#warnings = new KernelWarnings(options.ignoreAdvisories, kernel.fionreadCounts, warning =>
      this.#warn(warning),
    );
    this.cgroup = options.cgroup;
    this.profile = options.profile;
    this.pairOriginalDst = new PairOriginalDst(datapath);
    this.sockPairMap = new SockPairMap(datapath);
    this.processIp = new ProcessIp(datapath);
    this.#events = new MeshEventStream(datapath, this.emit.bind(this) as Tell);
    this.localPodIps = new LocalPodIps(datapath, (added, deleted) => this.#podsChanged(added, deleted), {
      share: { ports: options.maxPodRulePorts, ranges: options.maxPodRuleRanges },
      cgroup: options.cgroup,
    });
    this.#events.watchRules(this.localPodIps);
  }

  async #attach(options: ResolvedOptions): Promise<void> {
    if (options.pods !== undefined) replacePods(this.localPodIps, options.pods, this.adoption !== undefined);
    // What can fail comes first: nothing that is pinned then is of a start that failed.
    this.#events.set(options.events);
    try {
      await this.#holder.attach();
    } catch (error) {
      this.#events.set(false);
      throw error;
    }
    this.#events.begin();
    // A server keeps its process alive, and so does this: its links end with the process.
    this.#keepAlive = setInterval(() => undefined, 0x7fffffff);
    this.#warnOfKernel();
  }

  /**
   * What there is to know of this kernel: its known faults, if acceleration was on at any time; what `'full'` lacks
   * here, if it was wanted.
   */
  get warnings(): readonly MeshWarning[] {
    return this.#warnings.all;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The scope for pods that do not choose their own. `'off'` is final: it stops acceleration for every pod at once,
   * existing connections included, without a byte lost; what waits in a socket is still read first. A wider scope is
   * for new connections.
   */
  get acceleration(): Acceleration {
    return this.#datapath.settings.acceleration;
  }

  /**
   * Changes the scope; see the getter. If this switches acceleration on for the first time, or `'full'`, there may be a
   * `warning` of the kernel.
   *
   * @throws TypeError if it is no scope
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    if (this.closed) throw new ClosedError('MeshAccelerator');
    const before = this.#datapath.settings.acceleration;
    this.#datapath.settings.acceleration = value;
    if (before !== value) this.emit('acceleration', value, before);
    this.#warnOfKernel();
  }

  /** Which events the programs send, and how many of each kind a second at most; 0: none. */
  get events(): EventRates {
    return this.#events.rates;
  }

  /**
   * Switches the events of the programs, at once. Adding a listener alone does not: an event that nobody asked for must
   * not cost anything.
   *
   * @throws TypeError for an unknown kind or a wrong type, RangeError for a rate out of range
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  set events(value: boolean | EventOptions) {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    this.#events.set(value);
  }

  /**
   * What the programs counted since they were loaded, summed over all CPUs.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  counters(): MeshCounters {
    return this.#datapath.counters.read();
  }

  /**
   * The same for each possible CPU, by its number.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  countersPerCpu(): MeshCounters[] {
    return this.#datapath.counters.readPerCpu();
  }

  /**
   * How full the maps are. The kernel does not tell, so they are counted, in pieces of two milliseconds.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}, also meanwhile
   */
  async mapFill(): Promise<MapFill[]> {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return mapFill(name => this.#datapath.map(name));
  }

  /**
   * Asks the kernel whether the programs are effective for the pods: attached is not enough, because the cgroup may
   * have been made anew or lie elsewhere. What it finds is returned, never thrown.
   *
   * @param options - which cgroups to look at
   * @returns what is wrong; empty if all is well
   * @throws TypeError for an unknown option or a wrong type
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  check(options: MeshCheckOptions = {}): MeshProblem[] {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return checkMesh(this.cgroup, this.#holder, options);
  }

  /** Lets the process end although the accelerator is not closed; the programs are detached then. Returns this. */
  unref(): this {
    this.#keepAlive?.unref();
    return this;
  }

  /** Undoes {@link unref}. Returns this. */
  ref(): this {
    this.#keepAlive?.ref();
    return this;
  }

  /**
   * With a `pinDirectory` gives up what this process holds, and nothing else: connections are redirected and
   * accelerated as before, and the next start takes over. To remove everything there is `detachAll`.
   *
   * Without: detaches everything and frees the maps. New connections take their old path at once. Existing ones live on
   * over the TCP stack, and what was queued in their sockets is still read first but their `getpeername` names the
   * sidecar from now on. If connections were redirected, this takes half a second, in which those that are being set up
   * come to their sidecar, and up to eight while readers are slow with what was redirected to them. Idempotent.
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
    await this.#holder.close();
    this.emit('close');
  }

  #warn(warning: MeshWarning): void {
    setImmediate(() => {
      if (!this.closed) this.emit('warning', warning);
    });
  }

  #warnOfKernel(): void {
    if (this.acceleration !== 'off') this.#warnings.ofAcceleration();
    this.#warnings.ofFull(() => this.#isFullWanted(this.localPodIps.keys()));
  }

  /** Whether one of these pods wants `'full'`, or all that do not choose. */
  #isFullWanted(pods: Iterable<string>): boolean {
    const { acceleration } = this;
    if (acceleration !== 'proxies') return acceleration === 'full';
    for (const address of pods) if (this.localPodIps.get(address)?.acceleration === 'full') return true;
    return false;
  }

  #podsChanged(added: readonly string[], deleted: readonly string[]): void {
    this.#datapath.settings.touch();
    this.#events.podsChanged(added.length, deleted.length);
    if (deleted.length > 0) this.processIp.forget(deleted);
    // Those of the start are looked at when it has come to its end, so that somebody can listen.
    if (this.#keepAlive !== undefined) this.#warnings.ofFull(() => this.#isFullWanted(added));
    if (added.length + deleted.length > 0) this.emit('pods', added, deleted);
  }
}
