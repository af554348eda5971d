import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** A TCP proxy on loopback that can cut its connections. */
export class CuttingProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true }, client => this.#join(client));
  readonly #target: number;

  private constructor(target: number) {
    this.#target = target;
  }

  /** Starts one in front of a port of 127.0.0.1. */
  static async start(target: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections at once, in the middle of whatever they carry. New ones are served. */
  cut(): void {
    // Not resetAndDestroy(): of a socket that its peer has reset meanwhile that never closes the handle, which keeps
    // the process alive.
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts and stops listening. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy()); // refused, or reset: the other end shall know
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
