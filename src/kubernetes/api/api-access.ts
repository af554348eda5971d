import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { printable } from '../../errors';
import { KubernetesError } from '../errors';
import { asError } from '../sources/report';
import { plainError } from './secrets';

/**
 * Address of an API server and the credentials to use. Files are read again for each request, because mounted tokens
 * and certificates rotate.
 */
export interface ApiServerAddress {
  /** URL of the server, such as `'https://10.96.0.1:443'`. */
  readonly url: string;
  /** CA certificates in PEM that verify the server's certificate. Default: those of Node.js. */
  readonly ca?: string | undefined;
  /** Path of a file with the CA certificates. */
  readonly caFile?: string | undefined;
  /** Bearer token. */
  readonly token?: string | undefined;
  /** Path of a file with the bearer token. */
  readonly tokenFile?: string | undefined;
  /** Client certificate in PEM. */
  readonly cert?: string | undefined;
  /** Private key of the client certificate in PEM. */
  readonly key?: string | undefined;
}

/**
 * What this library uses of a `KubeConfig` of `@kubernetes/client-node` 1.x, which supports every kind of kubeconfig.
 */
export interface KubeConfigLike {
  /**
   * Returns the cluster of the current context.
   *
   * @returns the cluster, or `null` if the context names none
   */
  getCurrentCluster(): { readonly server: string } | null;
  /**
   * Adds certificates and credentials to the options of a request.
   *
   * @param options - options to change in place
   * @returns a promise that resolves when it is done
   */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/**
 * Builds the options of one request with the current credentials.
 *
 * @internal
 */
export type ApiAccess = () => Promise<{ url: URL; options: RequestOptions }>;

/** Where Kubernetes mounts the credentials of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Returns the API server of the cluster that this process runs in, from the environment and the mounted service
 * account.
 *
 * @param environment - has `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. Default: `process.env`
 * @returns the address, with the paths of the mounted token and CA certificates
 * @throws KubernetesError (`ERR_KUBERNETES_CONFIG`) if it does not run in a cluster
 */
export function inClusterServer(environment: NodeJS.ProcessEnv = process.env): ApiServerAddress {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port)
    throw new KubernetesError(
      'ERR_KUBERNETES_CONFIG',
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set',
      {
        hint: 'run it in a pod, or give the option server or kubeConfig',
      },
    );
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    caFile: `${SERVICE_ACCOUNT}/ca.crt`,
    tokenFile: `${SERVICE_ACCOUNT}/token`,
  };
}

/** @internal */
export function accessTo({ url, ca, caFile, token, tokenFile, cert, key }: ApiServerAddress): ApiAccess {
  let base: URL;
  try {
    base = new URL(url);
  } catch {
    throw new TypeError(`server.url is not a URL: '${withoutUser(String(url))}'`);
  }
  if (base.protocol !== 'https:') throw new TypeError(`server.url must begin with https://, not '${base.protocol}//'`);
  return async () => {
    const bearer = tokenFile === undefined ? token : (await credentials(tokenFile)).trim();
    return {
      url: base,
      options: {
        ca: caFile === undefined ? ca : await credentials(caFile),
        cert,
        key,
        ...(bearer !== undefined && { headers: { authorization: `Bearer ${bearer}` } }),
      },
    };
  };
}

/** A text that should be a URL, without the user name and password that a URL may contain. */
function withoutUser(url: string): string {
  return printable(url.replace(/^([^/]*\/\/)?[^/]*@/, '$1'));
}

/** @internal */
export function accessBy(config: KubeConfigLike): ApiAccess {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined)
    throw new KubernetesError('ERR_KUBERNETES_CONFIG', 'the current context of the kubeconfig names no cluster', {
      hint: 'set a context',
    });
  const url = new URL(server);
  return async () => {
    const options: RequestOptions = {};
    try {
      await config.applyToHTTPSOptions(options);
    } catch (thrown) {
      const cause = plainError(thrown);
      throw new KubernetesError('ERR_KUBERNETES_CONFIG', `credentials of the kubeconfig: ${cause.message}`, { cause });
    }
    return { url, options };
  };
}

async function credentials(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new KubernetesError('ERR_KUBERNETES_CONFIG', `cannot be read: ${asError(cause).message}`, {
      subject: path,
      cause,
      hint: 'is a service account token mounted (automountServiceAccountToken)?',
    });
  }
}
