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

/** Events of a {@link MeshAccelerator}. */
export interface MeshEvents extends ReportedEvents {
  /**
   * Acceleration is on and the kernel may have known bugs, or `'full'` is set for all pods or for one pod although
   * FIONREAD does not count redirected bytes. Each warning is emitted once. The first ones are emitted after the turn
   * of the event loop in which `start` resolves.
   *
   * @param warning - the warning. It is not thrown
   */
  warning: (warning: MeshWarning) => void;
  /**
   * The scope of acceleration was changed.
   *
   * @param now - the new scope
   * @param before - the previous scope
   */
  acceleration: (now: Acceleration, before: Acceleration) => void;
  /**
   * Pods were enrolled, changed or deleted.
   *
   * @param added - IP addresses of the pods that were enrolled or changed
   * @param deleted - IP addresses of the pods that were deleted
   */
  pods: (added: readonly string[], deleted: readonly string[]) => void;
  /** {@link MeshAccelerator.close} has finished. Emitted once. */
  close: () => void;
}

/**
 * Redirects the connections of enrolled pods to their sidecars without iptables, and moves the bytes of local
 * connections directly from socket to socket.
 *
 * The programs stay attached until {@link close} is called or the process ends, or with a `pinDirectory` until
 * `detachAll` is called. Existing connections survive all of that. The object keeps the process alive as a listening
 * server does; see {@link unref}.
 *
 * Needs Linux 6.1 (5.15 is expected to do, but was not run), libbpf 1.0, and CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or
 * root).
 *
 * Only TCP over IPv4 between pods of this node is redirected. Connections from other nodes still need the mesh's own
 * iptables rules, with which the programs are compatible.
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
  /** The enrolled pods of this node, which have a sidecar. The caller keeps them up to date. */
  readonly localPodIps: LocalPodIps;
  /** Original destinations of connections that are being set up. */
  readonly pairOriginalDst: PairOriginalDst;
  /** The accelerated sockets. */
  readonly sockPairMap: SockPairMap;
  /** The pod that each sidecar process serves. */
  readonly processIp: ProcessIp;
  /** Profile of the mesh. */
  readonly profile: MeshProfile;
  /** Path of the cgroup that the programs are attached to. */
  readonly cgroup: string;
  /** Who counts the bytes that wait in accelerated sockets. */
  readonly backlogAccount: BacklogAccount;
  /**
   * Which unread bytes FIONREAD counts on an accelerated socket of this kernel. With `'stack'`, some applications hang
   * if their scope is `'full'`; a `warning` says so.
   */
  readonly fionreadCounts: FionreadCounts;

  /** Maps that were replaced when pins of an earlier process were taken over. `undefined` if nothing was taken over. */
  readonly adoption: MeshAdoption | undefined;

  readonly #holder: Holder;
  readonly #datapath: Datapath;
  readonly #events: MeshEventStream;
  readonly #warnings: KernelWarnings;
  #keepAlive: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Loads the programs and attaches them. If anything fails, everything that this call made is removed. A mesh that an
   * earlier process pinned then continues as before, except that the option `pods` may have been applied already.
   *
   * @param options - the cgroup, the mesh, the scope
   * @returns the accelerator, with its programs attached. The caller closes it
   * @throws TypeError if an option is unknown or of the wrong type
   * @throws RangeError if a number is out of range
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if `cgroup` is not a cgroup of version 2, or none is mounted; or
   * if the cgroup of one of the `pods` is not a cgroup below it
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if an address of `pods` or `profile` is invalid
   * @throws PodRulesError (`ERR_BPF_POD_RULES`) if rules of `pods` are invalid, or exceed the limits of one pod
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if not all of `pods` and their rules fit
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if an accelerator is attached to the cgroup, an ancestor
   * or a descendant; `holders` says what holds it
   * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if `pinDirectory` is not in a BPF file system, or in one
   * that is mounted read-only
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if `pinDirectory` contains something that this library did not
   * make, a pin cannot be opened, or another user may write to the directory; the message has the path
   * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process uses `pinDirectory`
   * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if the pins belong to another cgroup, another mesh, or a later
   * version
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities; `missing` lists them
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel lacks a feature; the message has its release or
   * configuration option
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf is missing, or the native addon cannot be loaded
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EMFILE'` if the limit of open files
   * is too low
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the compiled programs are missing or damaged
   * @throws VerifierError (`ERR_BPF_VERIFIER`) if the kernel rejects a program; `log` is the log of the verifier
   */
  static async start(options: MeshAcceleratorOptions): Promise<MeshAccelerator> {
    // Errors are always a rejection, and a later version may wait here without changing the signature.
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
    // Steps that can fail come before anything is attached or pinned.
    this.#events.set(options.events);
    try {
      await this.#holder.attach();
    } catch (error) {
      this.#events.set(false);
      throw error;
    }
    this.#events.begin();
    // Keep the process alive, as a listening server does, because its links are closed when it ends.
    this.#keepAlive = setInterval(() => undefined, 0x7fffffff);
    this.#warnOfKernel();
  }

  /**
   * Warnings about this kernel so far: its known bugs, if acceleration was on at any time, and the feature that it
   * lacks for `'full'`, if that scope was set.
   */
  get warnings(): readonly MeshWarning[] {
    return this.#warnings.all;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The scope of acceleration for pods that do not set their own. `'off'` overrides them: it stops acceleration for
   * every pod at once, including existing connections, and loses no data. Readers first read the bytes that wait in
   * their sockets. A wider scope applies to new connections.
   *
   * After {@link close} it is the last scope that was read.
   */
  get acceleration(): Acceleration {
    return this.#datapath.settings.acceleration;
  }

  /**
   * Changes the scope; see the getter. If this switches acceleration or `'full'` on for the first time, a `warning`
   * about the kernel may follow.
   *
   * @throws TypeError if the value is not a scope
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    if (this.closed) throw new ClosedError('MeshAccelerator');
    const before = this.#datapath.settings.acceleration;
    this.#datapath.settings.acceleration = value;
    if (before !== value) this.emit('acceleration', value, before);
    this.#warnOfKernel();
  }

  /** Maximum number of events that the programs send per second, for each kind. 0 means none. */
  get events(): EventRates {
    return this.#events.rates;
  }

  /**
   * Changes which events the programs send, effective at once. Adding a listener does not enable events, because events
   * have a cost.
   *
   * @throws TypeError if a kind is unknown, or a value has the wrong type
   * @throws RangeError if a rate is out of range
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  set events(value: boolean | EventOptions) {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    this.#events.set(value);
  }

  /**
   * Reads the counters of the programs since they were loaded.
   *
   * @returns the sums over all CPUs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  counters(): MeshCounters {
    return this.#datapath.counters.read();
  }

  /**
   * Reads the counters of each CPU.
   *
   * @returns one element for each possible CPU, indexed by its number
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  countersPerCpu(): MeshCounters[] {
    return this.#datapath.counters.readPerCpu();
  }

  /**
   * Tells how full the maps are. The kernel does not report it, so the entries are counted, in steps of two
   * milliseconds.
   *
   * @returns one element for each map that can become full
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed, even while this runs
   */
  async mapFill(): Promise<MapFill[]> {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return mapFill(name => this.#datapath.map(name));
  }

  /**
   * Asks the kernel whether the programs run for the pods. Attached programs may not, because the cgroup may have been
   * removed and created again, or pods may be elsewhere. Problems are returned, not thrown.
   *
   * @param options - the cgroups to check
   * @returns the problems. Empty if there are none
   * @throws TypeError if an option is unknown or of the wrong type
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  check(options: MeshCheckOptions = {}): MeshProblem[] {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return checkMesh(this.cgroup, this.#holder, options);
  }

  /**
   * Lets the process end although the accelerator is not closed. The kernel then detaches the programs, unless they are
   * pinned.
   *
   * @returns this
   */
  unref(): this {
    this.#keepAlive?.unref();
    return this;
  }

  /**
   * Undoes {@link unref}.
   *
   * @returns this
   */
  ref(): this {
    this.#keepAlive?.ref();
    return this;
  }

  /**
   * Closes the accelerator. Further calls return the same promise.
   *
   * With a `pinDirectory`, this only releases what this process holds. Connections are redirected and accelerated as
   * before, and the next start takes over. Use `detachAll` to remove everything.
   *
   * Without a `pinDirectory`, this detaches everything and frees the maps. New connections take their old path at once.
   * Existing ones continue over the TCP stack. Readers first read the data that is queued in their sockets. From then
   * on `getpeername` returns the address of the sidecar. If connections were redirected, this takes half a second, in
   * which pending connections reach their sidecar. It takes up to eight seconds while readers are slow to read
   * redirected data.
   *
   * @returns a promise that is fulfilled when everything is closed
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

  /** Whether the scope is `'full'` for one of these pods, or for all that do not set their own. */
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
    // Pods of the option `pods` are checked at the end of the start, so that the caller can add a listener before.
    if (this.#keepAlive !== undefined) this.#warnings.ofFull(() => this.#isFullWanted(added));
    if (added.length + deleted.length > 0) this.emit('pods', added, deleted);
  }
}
