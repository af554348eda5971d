import { closeSync } from 'node:fs';

import { Errno } from '../errors';
import { checkErrno, libc, systemError, uint32Array, withErrno } from '../native';
import { Handle } from './handle';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
/** asm-generic/socket.h; the answer is nine 32-bit numbers, linux/sock_diag.h: SK_MEMINFO_*. */
const SO_MEMINFO = 55;
const SK_MEMINFO_VARS = 9;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** asm-generic/ioctls.h; for a socket the same as SIOCINQ of linux/sockios.h. */
const FIONREAD = 0x541b;
const POLLIN = 1;

/** Two ends of one TCP connection over loopback, as plain file descriptors. */
export class TcpPair extends Handle {
  /** File descriptor of the end that connected. Belongs to the pair. */
  readonly client: number;
  /** File descriptor of the end that was accepted. Belongs to the pair. */
  readonly server: number;

  constructor(client: number, server: number) {
    super('TCP pair');
    this.client = client;
    this.server = server;
  }

  /**
   * Sends without waiting.
   *
   * @param fd - one end
   * @param data - what to send
   * @returns how many bytes were taken; 0 when the buffers are full
   * @throws BpfError with errnoName `'EPIPE'` or `'ECONNRESET'` when the other end is gone
   */
  send(fd: number, data: Buffer): number {
    return this.#transfer('send', () => libc.send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /**
   * Receives without waiting.
   *
   * @param fd - one end
   * @param into - where to; a part of it is filled
   * @returns how many bytes came; 0 when there are none
   */
  receive(fd: number, into: Buffer): number {
    return this.#transfer('recv', () => libc.recv(fd, into, into.length, MSG_DONTWAIT));
  }

  /**
   * Bytes of kernel memory that are charged to the receive queue of one end: `sk_rmem_alloc`, `SO_MEMINFO`.
   *
   * Since Linux 4.12.
   *
   * @param fd - one end
   */
  memInfo(fd: number): number {
    this.ensureOpen('getsockopt');
    const info = uint32Array(SK_MEMINFO_VARS);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.buffer.length, 0);
    checkErrno(() => libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info.buffer, length), {
      operation: 'getsockopt',
      subject: 'SO_MEMINFO',
    });
    return info.take(1)[0] ?? 0;
  }

  /**
   * Waits until there is something to read at one end: poll(2).
   *
   * @param fd - one end
   * @param milliseconds - how long at most; the event loop stands still meanwhile
   * @returns whether there is; false also if a signal came first
   */
  readable(fd: number, milliseconds: number): boolean {
    this.ensureOpen('poll');
    // struct pollfd: the descriptor, what is waited for, what there is.
    const wanted = Buffer.alloc(8);
    wanted.writeInt32LE(fd, 0);
    wanted.writeInt16LE(POLLIN, 4);
    const { result, errno } = withErrno(() => libc.poll(wanted, 1, milliseconds));
    if (result === -1 && errno !== Errno.EINTR) throw systemError(errno, { operation: 'poll', subject: this.label });
    return result > 0;
  }

  /**
   * How many bytes the kernel says that can be read at one end: ioctl(2), `FIONREAD`. In a socket that is in a sockmap
   * that may be less than there are.
   *
   * @param fd - one end
   */
  unread(fd: number): number {
    this.ensureOpen('ioctl');
    const count = Buffer.alloc(4);
    checkErrno(() => libc.ioctl(fd, FIONREAD, count), { operation: 'ioctl', subject: 'FIONREAD' });
    return count.readInt32LE(0);
  }

  /** @internal */
  protected override release(): void {
    try {
      closeSync(this.client);
    } finally {
      closeSync(this.server);
    }
  }

  #transfer(operation: string, call: () => number): number {
    this.ensureOpen(operation);
    try {
      return checkErrno(call, { operation, subject: this.label });
    } catch (error) {
      if ((error as { errno?: number }).errno === Errno.EAGAIN) return 0;
      throw error;
    }
  }
}

/**
 * Makes a TCP connection over loopback and returns both ends, at once and without the event loop.
 *
 * For finding out by trying what a kernel does with sockets in a map. The listening socket is bound to 127.0.0.1 and a
 * port that the kernel chooses, and is closed before this returns.
 *
 * @throws BpfError when the network namespace has no loopback interface that is up
 */
export function tcpPair(): TcpPair {
  const opened: number[] = [];
  const open = (operation: string, call: () => number): number => {
    const fd = checkErrno(call, { operation, subject: 'TCP pair' });
    opened.push(fd);
    return fd;
  };
  const step = (operation: string, call: () => number): void => {
    checkErrno(call, { operation, subject: 'TCP pair' });
  };
  try {
    const listener = open('socket', () => libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // struct sockaddr_in: family, port and address in network order, 8 bytes of padding.
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt32BE(0x7f00_0001, 4);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(address.length, 0);
    step('bind', () => libc.bind(listener, address, address.length));
    step('listen', () => libc.listen(listener, 1));
    step('getsockname', () => libc.getsockname(listener, address, length));
    // With room in the backlog, loopback completes the handshake inside connect(); accept() finds it done.
    const client = open('socket', () => libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    step('connect', () => libc.connect(client, address, address.length));
    const server = open('accept4', () => libc.accept4(listener, null, null, SOCK_CLOEXEC));
    closeSync(listener);
    opened.shift();
    return new TcpPair(client, server);
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}
