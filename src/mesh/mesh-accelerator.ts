import { release, version } from 'node:os';
import { ClosedError, KernelAdvisoryError, UnreadNotCountedError } from '../errors';
import { assertAcceleration, SteadyEmitter, type Acceleration, type MeshProfile } from '../policy';
import { Drain } from './datapath/drain';
import { CounterReader, type MeshCounters } from './maps/counters';
import type { FionreadCounts } from './datapath/fionread';
import type { Footing, MeshAdoption, MeshHandles } from './footing';
import { kernelAdvisories } from './kernel-advisories';
import { LocalPodIps } from './maps/local-pod-ips';
import { mapFill, type MapFill } from './maps/map-fill';
import { checkMesh, type MeshCheckOptions, type MeshProblem } from './mesh-check';
import { MeshEventStream, type ReportedEvents, type Tell } from './events/mesh-events';
import type { EventOptions, EventRates } from './events/event-options';
import { resolveOptions, type BacklogAccount, type MeshAcceleratorOptions, type ResolvedOptions } from './mesh-options';
import type { MeshSettings } from './maps/mesh-settings';
import { OwnFooting } from './own-footing';
import { PairOriginalDst } from './maps/pair-original-dst';
import { ProcessIp } from './maps/process-ip';
import { assertRequirements, typedError } from './requirements';
import { PinnedFooting } from './pins/pinned-footing';
import { replacePods } from './maps/replace-pods';
import { SockPairMap } from './maps/sock-pair-map';

/** What is not as it should be: known faults that the kernel may have, and what it cannot do for `'full'`. */
export type MeshWarning = KernelAdvisoryError | UnreadNotCountedError;

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

  readonly #footing: Footing;
  readonly #settings: MeshSettings;
  readonly #counters: CounterReader;
  readonly #drain: Drain;
  readonly #events: MeshEventStream;
  readonly #ignoreAdvisories: boolean | readonly string[];
  readonly #warnings: MeshWarning[] = [];
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
    const footing = pinDirectory === undefined ? OwnFooting.open(options) : PinnedFooting.open(options, pinDirectory);
    try {
      const mesh = new MeshAccelerator(options, footing);
      await mesh.#attach(options);
      return mesh;
    } catch (error) {
      footing.abandon();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, footing: Footing) {
    super();
    const { object } = footing;
    this.#footing = footing;
    this.#ignoreAdvisories = options.ignoreAdvisories;
    this.adoption = footing.adoption;
    this.backlogAccount = footing.account;
    this.fionreadCounts = footing.fionreadCounts;
    this.cgroup = options.cgroup;
    this.profile = options.profile;
    this.#settings = footing.settings();
    this.#counters = new CounterReader(object);
    this.#drain = new Drain(object);
    this.pairOriginalDst = new PairOriginalDst(object);
    this.sockPairMap = new SockPairMap(object);
    this.processIp = new ProcessIp(object);
    this.#events = new MeshEventStream(object, this.#settings, this.emit.bind(this) as Tell);
    this.localPodIps = new LocalPodIps(object, (added, deleted) => this.#podsChanged(added, deleted), {
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
      await this.#footing.attach(this.#handles);
    } catch (error) {
      this.#events.set(false);
      throw error;
    }
    this.#events.begin();
    // A server keeps its process alive, and so does this: its links end with the process.
    this.#keepAlive = setInterval(() => undefined, 0x7fffffff);
    this.#warnOfKernel();
  }

  get #handles(): MeshHandles {
    return { settings: this.#settings, drain: this.#drain, counters: () => this.#counters.read() };
  }

  /**
   * What there is to know of this kernel: its known faults, if acceleration was on at any time; what `'full'` lacks
   * here, if it was wanted.
   */
  get warnings(): readonly MeshWarning[] {
    return this.#warnings;
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
    return this.#settings.acceleration;
  }

  /**
   * Changes the scope; see the getter. If this switches acceleration on for the first time, or `'full'`, there may be a
   * `warning` of the kernel.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    if (this.closed) throw new ClosedError('MeshAccelerator');
    const before = this.#settings.acceleration;
    this.#settings.acceleration = value;
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

  /**
   * How full the maps are. The kernel does not tell, so they are counted, in pieces of two milliseconds.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}, also meanwhile
   */
  async mapFill(): Promise<MapFill[]> {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return mapFill(name => this.#footing.object.map(name));
  }

  /**
   * Asks the kernel whether the programs are effective for the pods: attached is not enough, because the cgroup may
   * have been made anew or lie elsewhere. What it finds is returned, never thrown.
   *
   * @param options - which cgroups to look at
   * @returns what is wrong; empty if all is well
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  check(options: MeshCheckOptions = {}): MeshProblem[] {
    if (this.closed) throw new ClosedError('MeshAccelerator');
    return checkMesh(this.cgroup, this.#footing, options);
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
    await this.#footing.close(this.#handles);
    this.emit('close');
  }

  #warn(warning: MeshWarning): void {
    this.#warnings.push(warning);
    setImmediate(() => {
      if (!this.closed) this.emit('warning', warning);
    });
  }

  /** Each once, and only for what is in use: redirection alone puts no socket into a sockmap. */
  #warnOfKernel(): void {
    if (this.acceleration !== 'off' && !this.#hasWarned('ERR_BPF_KERNEL_ADVISORY')) {
      const advisories = kernelAdvisories(release(), version()).filter(({ id }) => !this.#isIgnored(id));
      if (advisories.length > 0) this.#warn(new KernelAdvisoryError(release(), advisories));
    }
    this.#warnOfFionread(this.localPodIps.keys());
  }

  /** Where one of these pods wants `'full'`, or all that do not choose. */
  #warnOfFionread(pods: Iterable<string>): void {
    if (this.fionreadCounts !== 'stack' || this.#isIgnored('FIONREAD') || this.#hasWarned('ERR_BPF_UNREAD_NOT_COUNTED'))
      return;
    if (this.#isFullWanted(pods)) this.#warn(new UnreadNotCountedError(release()));
  }

  #isFullWanted(pods: Iterable<string>): boolean {
    const { acceleration } = this;
    if (acceleration !== 'proxies') return acceleration === 'full';
    for (const address of pods) if (this.localPodIps.get(address)?.acceleration === 'full') return true;
    return false;
  }

  #hasWarned(code: MeshWarning['code']): boolean {
    return this.#warnings.some(warning => warning.code === code);
  }

  #isIgnored(id: string): boolean {
    const ignored = this.#ignoreAdvisories;
    return typeof ignored === 'boolean' ? ignored : ignored.includes(id);
  }

  #podsChanged(added: readonly string[], deleted: readonly string[]): void {
    this.#settings.touch();
    this.#events.podsChanged(added.length, deleted.length);
    if (deleted.length > 0) this.processIp.forget(deleted);
    // Those of the start are looked at when it has come to its end, so that somebody can listen.
    if (this.#keepAlive !== undefined) this.#warnOfFionread(added);
    if (added.length + deleted.length > 0) this.emit('pods', added, deleted);
  }
}
