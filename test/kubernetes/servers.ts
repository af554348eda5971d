/**
 * The API servers that the tests of this folder run against: one of our own, and the real one where KUBEBUILDER_ASSETS
 * names the folder of its programs. MERBRIDGE_API_SERVER narrows that to one of them: `local` or `kube-apiserver`.
 */
import { LocalServer } from '../kube/local-server';
import { kubeAssets, startRealServer } from '../kube/real-server';
import type { ApiServer } from '../kube/server';

/** One kind of API server. */
export interface ServerKind {
  readonly name: 'local' | 'kube-apiserver';
  /** Why it cannot be had here, or false. */
  readonly skip: string | false;
  start(): Promise<ApiServer>;
}

const assets = kubeAssets();
const { MERBRIDGE_API_SERVER: only } = process.env;

const all: readonly ServerKind[] = [
  { name: 'local', skip: false, start: () => LocalServer.start() },
  {
    name: 'kube-apiserver',
    skip:
      assets === undefined &&
      'KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd; scripts/kube-apiserver.sh makes one where Go is present',
    start: () => startRealServer(assets!),
  },
];

export const serverKinds = all.filter(({ name }) => only === undefined || only === '' || only === name);
