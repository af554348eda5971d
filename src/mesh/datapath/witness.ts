import { BpfArrayMap, BpfSockHashMap, OpenBpfObject } from '../../bpf';
import { tcpPair, type TcpPair } from '../../bpf/internal';
import { u32, u64 } from '../../codec';
import { objectPath } from '../objects';
import { fionreadCounts, type FionreadCounts } from './fionread';

/** So long a byte over loopback may take, where packets are steered to a CPU that is busy. */
const LOOPBACK_MS = 1000;

/**
 * Who keeps the account of the bytes that wait in an accelerated socket: the kernel, which charges them to the receiver
 * since about Linux 6.13, or the programs, which know only when a reader has read everything, and so let a sender go
 * back to the TCP stack earlier.
 */
export type BacklogAccount = 'kernel' | 'programs';

/** What a start has to know of the kernel. */
export interface KernelFindings {
  /** Who keeps the account of what waits in accelerated sockets. */
  readonly account: BacklogAccount;
  /** What FIONREAD counts on an accelerated socket. */
  readonly fionreadCounts: FionreadCounts;
}

/** What two messages over a loopback connection tell about the kernel, and about this process. */
export interface Witness {
  /**
   * Whether this kernel charges redirected bytes to the receiver's `sk_rmem_alloc`, which is what the programs bound a
   * stalled reader's memory by. Kernels do since Linux 6.13, and where it was backported; so it is tried, and never
   * derived from a version.
   */
  readonly chargesReceiver: boolean;
  /** What FIONREAD counts of what waits in a socket that is in a map. */
  readonly fionreadCounts: FionreadCounts;
  /** Kernel address of a socket of this process, and its cookie: while it is established, the process lives. */
  readonly owner: bigint;
  readonly ownerCookie: bigint;
  /** Holds that socket; to be closed with what the process owns. */
  readonly pair: TcpPair;
}

/**
 * Sends a byte through the stack from one socket of this process to another, and redirects a message.
 *
 * @internal
 */
export function witness(): Witness {
  using object = OpenBpfObject.openFile(objectPath('probe')).load();
  const sockets = BpfSockHashMap.from(object.map('probe_sockets'), { key: u32 });
  const sender = BpfArrayMap.from(object.map('probe_sender'), { value: u64 });
  const pair = tcpPair();
  try {
    using _verdict = sockets.attachVerdict(object.program('mb_probe'));
    // It waits on the stack before the sockets enter the map: from then on everything is redirected.
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
 * What a start has to know of the kernel.
 *
 * @internal
 * @param witness - what was tried
 * @param asked - the option `backlogAccount`
 */
export function findingsOf({ chargesReceiver, fionreadCounts }: Witness, asked: 'auto' | 'programs'): KernelFindings {
  return { account: chargesReceiver && asked === 'auto' ? 'kernel' : 'programs', fionreadCounts };
}
