import { MerbridgeError, defineError } from './merbridge-error';

/**
 * Programs that are known to wait for ever where FIONREAD leaves out redirected bytes. All are nginx, or are built on
 * it.
 */
export const FIONREAD_PROGRAMS: readonly string[] = ['nginx', 'OpenResty', 'ingress-nginx', 'Kong', 'Tengine'];

/**
 * `'full'` is wanted on a kernel whose `ioctl(FIONREAD)` leaves out what was redirected to a socket. Programs that go
 * by it may wait for ever for bytes that are there.
 *
 * A warning only, in the `warning` event and the `warnings` of a `MeshAccelerator`: it is never thrown, and nothing is
 * switched off for it.
 */
export class UnreadNotCountedError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_UNREAD_NOT_COUNTED';
  /** Programs that are known to hang; there may be others. */
  readonly programs: readonly string[];

  /** @param release - what `uname -r` says */
  constructor(release: string) {
    super(
      'ERR_BPF_UNREAD_NOT_COUNTED',
      {
        hint:
          "nothing was switched off; give the pods of such programs acceleration 'proxies', or update the kernel: Linux 7.0, 6.12 and 6.18 of 2026 " +
          'count them; if no such program runs here, name FIONREAD in ignoreAdvisories',
      },
      `FIONREAD of Linux ${release} does not count redirected bytes, so programs that go by it hang in 'full': ${FIONREAD_PROGRAMS.join(', ')}`,
    );
    this.programs = FIONREAD_PROGRAMS;
  }
}

defineError(UnreadNotCountedError, 'UnreadNotCountedError');
