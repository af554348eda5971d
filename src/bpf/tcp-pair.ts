import { closeSync } from 'node:fs';

import { Errno } from '../errors';
import { checkErrno, libc, uint32Array } from '../native';
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

/** Two ends of one TCP connection over loopback, as plain file descriptors. */
export class TcpPair extends Handle {
  /** File descriptor of the end that connected. Belongs to the pair. */
  readonly client: number;
  /** File descriptor of the end that was accepted. Belongs to the pair. */
  readonly server: number;

  /** Made by the functions of this library, not by `new`. */
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
 *
 * @example
 * ```ts
 * import { tcpPair } from 'merbridge';
 *
 * const pair = tcpPair();
 * pair.send(pair.client, Buffer.from('hello'));
 * console.log(pair.memInfo(pair.server)); // some hundred bytes
 * pair.close();
 * ```
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
