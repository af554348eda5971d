/** Kubernetes on one node: API server, controllers, scheduler and kubelet, each in its real program. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfig } from '../kube/kubeconfig';
import { Program } from '../kube/programs';
import type { RealServer } from '../kube/real-server';
import { CONTAINERD_SOCKET } from './containerd';
import { NODE_ADDRESS } from './network';

export const NODE_NAME = 'merbridge-node';

/** A kubeconfig of the administrator; returns its path. */
export function writeKubeconfig(server: RealServer, directory: string): string {
  const path = join(directory, 'admin.kubeconfig');
  const { ca, adminToken: token } = server;
  const config = kubeconfig({ url: `https://${NODE_ADDRESS}:${server.port}`, ca, token });
  writeFileSync(path, config, { mode: 0o600 });
  return path;
}

/** Starts what makes pods of Deployments and DaemonSets, and what gives them their nodes. */
export function startControllers(assets: string, server: RealServer, kubeconfig: string, directory: string): Program[] {
  const start = (name: string, ...flags: string[]): Program =>
    new Program(name, directory, join(assets, name), [
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
      ...flags,
    ]);
  return [
    start(
      'kube-controller-manager',
      `--service-account-private-key-file=${server.file('accounts.key')}`,
      `--root-ca-file=${server.file('tls.crt')}`,
      `--flex-volume-plugin-dir=${join(directory, 'volume-plugins')}`, // else it makes one in /usr/libexec
    ),
    start('kube-scheduler'),
  ];
}

/** Starts the kubelet. */
export function startKubelet(assets: string, kubeconfig: string, directory: string): Program {
  const config = join(directory, 'kubelet.json');
  mkdirSync(join(directory, 'volume-plugins'), { recursive: true });
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      cgroupDriver: 'cgroupfs',
      failCgroupV1: false, // hybrid machines count as v1
      failSwapOn: false,
      protectKernelDefaults: true, // looks at the machine's sysctls, and does not set them
      makeIPTablesUtilChains: false,
      containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
      volumePluginDir: join(directory, 'volume-plugins'),
      // Nobody else is in this network namespace.
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: 'AlwaysAllow' },
      resolvConf: '',
      // The disk is the machine's, and how full it is no matter of this test.
      evictionHard: {
        'memory.available': '50Mi',
        'nodefs.available': '0%',
        'nodefs.inodesFree': '0%',
        'imagefs.available': '0%',
      },
      imageGCHighThresholdPercent: 100,
      imageGCLowThresholdPercent: 99,
      registerNode: true,
    }),
  );
  return new Program('kubelet', directory, join(assets, 'kubelet'), [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--cert-dir=${join(directory, 'pki')}`,
    `--hostname-override=${NODE_NAME}`,
    `--node-ip=${NODE_ADDRESS}`,
  ]);
}
