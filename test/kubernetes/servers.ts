/** The API servers that the tests of this folder run against. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer } from '../kube/local-server';
import { startRealServer } from '../kube/real-server';
import type { ApiServer } from '../kube/server';

/** One kind of API server. */
export interface ServerKind {
  readonly name: 'local' | 'kube-apiserver';
  /** Why it cannot be had here, or false. */
  readonly skip: string | false;
  start(): Promise<ApiServer>;
}

const assets = process.env.KUBEBUILDER_ASSETS;

export const serverKinds: readonly ServerKind[] = [
  { name: 'local', skip: false, start: () => LocalServer.start() },
  {
    name: 'kube-apiserver',
    skip: assets !== undefined && existsSync(join(assets, 'kube-apiserver')) ? false : 'KUBEBUILDER_ASSETS names no kube-apiserver, and scripts/kube-apiserver.sh made none',
    start: () => startRealServer(assets!),
  },
];
