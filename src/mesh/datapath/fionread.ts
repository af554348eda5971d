/**
 * Which unread bytes `ioctl(FIONREAD)` counts on a socket that is in a sockmap. It is tried at start, and never derived
 * from a version.
 *
 * - `'all'`: those that were redirected to it and those that came through the TCP stack. Seen on Linux 6.12.117 and
 *   7.3.4.
 * - `'redirected'`: the former alone, which is all that waits in an accelerated socket of an application:
 *   `tcp_bpf_ioctl` of `net/ipv4/tcp_bpf.c` reads `msg_tot_len` of `struct sk_psock` (`include/linux/skmsg.h`), since
 *   Linux 7.0 and stable releases of 2026. Seen on 6.18.44.
 * - `'stack'`: the latter alone, on kernels before: `tcp_ioctl` of `net/ipv4/tcp.c`. Seen on 6.1.192. A program that
 *   takes 0 for "nothing more to read" then waits for ever for bytes that are there: nginx since 1.17.5 and what is
 *   built on it, for which `'full'` is not.
 */
export type FionreadCounts = 'all' | 'redirected' | 'stack';

/**
 * @internal
 * @param redirected - whether redirected bytes were counted
 * @param stack - whether bytes that came through the stack were
 */
export function fionreadCounts(redirected: boolean, stack: boolean): FionreadCounts {
  if (!redirected) return 'stack';
  return stack ? 'all' : 'redirected';
}
