/**
 * Which unread bytes `ioctl(FIONREAD)` counts on a socket that is in a sockmap. A start tests this and never derives it
 * from the kernel version.
 *
 * - `'all'`: redirected bytes and bytes that came through the TCP stack. Seen on Linux 6.12.117 and 7.3.4.
 * - `'redirected'`: redirected bytes alone, which are all the bytes that wait in an accelerated socket of an
 *   application. `tcp_bpf_ioctl` in `net/ipv4/tcp_bpf.c` reads `msg_tot_len` of `struct sk_psock`
 *   (`include/linux/skmsg.h`), since Linux 7.0 and stable releases of 2026. Seen on 6.18.44.
 * - `'stack'`: bytes from the TCP stack alone, on older kernels: `tcp_ioctl` in `net/ipv4/tcp.c`. Seen on 6.1.192. A
 *   program that interprets 0 as "nothing more to read" then waits forever although redirected bytes are there. nginx
 *   since 1.17.5 and servers that are built on it do that, so do not use `'full'` for them.
 */
export type FionreadCounts = 'all' | 'redirected' | 'stack';

/**
 * Derives the result from the two tests of a start.
 *
 * @internal
 * @param redirected - whether FIONREAD counted redirected bytes
 * @param stack - whether FIONREAD counted bytes that came through the TCP stack
 * @returns which bytes it counts
 */
export function fionreadCounts(redirected: boolean, stack: boolean): FionreadCounts {
  if (!redirected) return 'stack';
  return stack ? 'all' : 'redirected';
}
