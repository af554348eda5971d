import { BpfArrayMap, BpfSockHashMap, OpenBpfObject } from '../../bpf';
import { tcpPair, type TcpPair } from '../../bpf/internal';
import { u32, u64 } from '../../codec';
import { objectPath } from '../objects';
import { fionreadCounts, type FionreadCounts } from './fionread';

/** Time that a byte over loopback may take if packets are steered to a busy CPU. */
const LOOPBACK_MS = 1000;

/**
 * Who counts the bytes that wait in an accelerated socket.
 *
 * - `'kernel'`: the kernel charges them to the receiver, as every kernel from 6.1.192 on that was tried does.
 * - `'programs'`: the BPF programs count them. They only know when a reader has read everything, so they send a sender
 *   back to the TCP stack earlier.
 */
export type BacklogAccount = 'kernel' | 'programs';

/** Properties of the kernel that a start tests. */
export interface KernelFindings {
  /** Who counts the bytes that wait in accelerated sockets. */
  readonly account: BacklogAccount;
  /** What FIONREAD counts on an accelerated socket. */
  readonly fionreadCounts: FionreadCounts;
}

/** What two messages over a loopback connection reveal about the kernel and this process. */
export interface Witness {
  /**
   * Whether this kernel charges redirected bytes to the receiver's `sk_rmem_alloc`. The programs use that to limit the
   * memory of a stalled reader. Linux 5.10 does not; stable releases got it by backports. So it is tested, never
   * derived from the version.
   */
  readonly chargesReceiver: boolean;
  /** Which unread bytes FIONREAD counts on a socket in a sockmap. */
  readonly fionreadCounts: FionreadCounts;
  /** Kernel address of a socket of this process. While that socket is established, the process is alive. */
  readonly owner: bigint;
  /** Cookie of the same socket. */
  readonly ownerCookie: bigint;
  /** Holds that socket. Close it together with the other resources of the process. */
  readonly pair: TcpPair;
}

/**
 * Tests the kernel: sends a byte through the TCP stack from one socket of this process to another, then redirects a
 * message between them.
 *
 * @internal
 * @returns the results, with the pair of sockets, which the caller closes
 */
export function witness(): Witness {
  using object = OpenBpfObject.openFile(objectPath('probe')).load();
  const sockets = BpfSockHashMap.from(object.map('probe_sockets'), { key: u32 });
  const sender = BpfArrayMap.from(object.map('probe_sender'), { value: u64 });
  const pair = tcpPair();
  try {
    using _verdict = sockets.attachVerdict(object.program('mb_probe'));
    // This byte must arrive through the stack before the sockets enter the map, which redirects everything from then
    // on.
    pair.send(pair.client, Buffer.alloc(1));
    pair.readable(pair.server, LOOPBACK_MS);
    sockets.set(0, pair.client);
    sockets.set(1, pair.server);
    const message = Buffer.alloc(16384);
    const [chargedBefore, stack] = [pair.memInfo(pair.server), pair.unread(pair.server)];
    pair.send(pair.client, message);
    return {
      chargesReceiver: pair.memInfo(pair.server) - chargedBefore >= message.length,
      fionreadCounts: fionreadCounts(pair.unread(pair.server) - stack >= message.length, stack > 0),
      owner: sender.get(0) ?? 0n,
      ownerCookie: sockets.get(0) ?? 0n,
      pair,
    };
  } catch (error) {
    pair.close();
    throw error;
  }
}

/**
 * Combines the results of the test with the option of the caller.
 *
 * @internal
 * @param witness - results of the test
 * @param asked - the option `backlogAccount`
 * @returns the properties that a start uses
 */
export function findingsOf({ chargesReceiver, fionreadCounts }: Witness, asked: 'auto' | 'programs'): KernelFindings {
  return { account: chargesReceiver && asked === 'auto' ? 'kernel' : 'programs', fionreadCounts };
}
