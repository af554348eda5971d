/** What tests need of an API server, be it the real one or one of our own. */

/** An API server on loopback. */
export interface ApiServer {
  /** Where it listens, such as `https://127.0.0.1:6443`. The same after {@link cut} and {@link restart}. */
  readonly url: string;
  /** The certificate that signs the server's, in PEM. */
  readonly ca: string;
  /** Bearer token of a user that may do everything. */
  readonly adminToken: string;
  /** A bearer token for a service account, which must exist. */
  tokenOf(serviceAccount: { readonly namespace: string; readonly name: string }): Promise<string>;
  /** One request as administrator. Returns the body; rejects for a status of 400 and above. */
  request(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Cuts all connections of clients, without a word to them. */
  cut(): Promise<void>;
  /** Kills the server and starts it again with the same state. Resolves when it answers. */
  restart?(): Promise<void>;
  /** Ends it and removes all that it made. */
  close(): Promise<void>;
}
