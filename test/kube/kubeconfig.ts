/** Where an API server is, and who asks. */
export interface KubeconfigOptions {
  readonly url: string;
  /** Its certificate, PEM. */
  readonly ca: string;
  readonly token: string;
}

/** A kubeconfig file: YAML, as JSON is. */
export function kubeconfig({ url, ca, token }: KubeconfigOptions): string {
  const cluster = { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}
