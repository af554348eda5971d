import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Server, type TLSSocket, createServer } from 'node:tls';
import { selfSigned } from './certificate';

/** What is done with a connection when the head of a request is there. */
export type RawAnswer = (socket: TLSSocket, head: string) => void;

/** A TLS server on loopback that says whatever bytes a test wants, HTTP or not. */
export class RawServer {
  readonly ca: string;
  /** Heads of the requests so far. */
  readonly heads: string[] = [];
  /** Answers of the next connections; when there is none left, {@link otherwise} is taken. */
  readonly answers: RawAnswer[] = [];
  otherwise: RawAnswer = emptyList;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor() {
    const { key, cert } = selfSigned();
    this.ca = cert;
    this.#server = createServer({ key, cert }, socket => this.#serve(socket));
  }

  static async start(): Promise<RawServer> {
    const server = new RawServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many connections are open. */
  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    let head = '';
    const read = (text: Buffer): void => {
      head += text.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read).resume();
      this.heads.push(head);
      (this.answers.shift() ?? this.otherwise)(socket, head);
    };
    socket.on('data', read);
  }
}

/** An answer with this body, after which the connection ends. */
export function body(text: string, status = '200 OK'): RawAnswer {
  return socket =>
    void socket.end(
      `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    );
}

/** As a server that has no pods: an empty list, and a watch that stays open. */
export const emptyList: RawAnswer = (socket, head) => {
  if (/[?&]watch=/.test(head)) socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  else body(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }))(socket, head);
};
