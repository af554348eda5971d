import { MerbridgeError, defineError } from './merbridge-error';

/**
 * Programs that are known to hang if FIONREAD does not count redirected bytes. All of them are nginx or are based on
 * it.
 */
export const FIONREAD_PROGRAMS: readonly string[] = ['nginx', 'OpenResty', 'ingress-nginx', 'Kong', 'Tengine'];

/**
 * The scope `'full'` is requested, but `ioctl(FIONREAD)` of this kernel does not count bytes that were redirected to a
 * socket. Programs that rely on FIONREAD may wait forever for bytes that have arrived.
 *
 * This is only a warning, in the `warning` event and in the `warnings` of a `MeshAccelerator`. It is never thrown, and
 * the library switches nothing off because of it.
 *
 * @example
 * ```ts
 * import { UnreadNotCountedError, type MeshAccelerator } from 'merbridge';
 *
 * function hasHangingPrograms(mesh: MeshAccelerator): boolean {
 *   return mesh.warnings.some(warning => warning instanceof UnreadNotCountedError);
 * }
 * ```
 */
export class UnreadNotCountedError extends MerbridgeError {
  /** Always `'ERR_BPF_UNREAD_NOT_COUNTED'`. */
  declare readonly code: 'ERR_BPF_UNREAD_NOT_COUNTED';
  /** Programs that are known to hang. There may be others. */
  readonly programs: readonly string[];

  /**
   * Creates the error.
   *
   * @param release - release of the running kernel, as `uname -r` prints it
   */
  constructor(release: string) {
    super(
      'ERR_BPF_UNREAD_NOT_COUNTED',
      {
        hint:
          "nothing was switched off; give the pods of these programs acceleration 'proxies', or update the kernel: Linux 7.0, 6.12 and 6.18 of 2026 " +
          'count them; if no such program runs here, add FIONREAD to ignoreAdvisories',
      },
      `FIONREAD of Linux ${release} does not count redirected bytes, so programs that rely on it hang in 'full': ${FIONREAD_PROGRAMS.join(', ')}`,
    );
    this.programs = FIONREAD_PROGRAMS;
  }
}

defineError(UnreadNotCountedError, 'UnreadNotCountedError');
