/** A Kubernetes cluster of one node, in the namespaces of this process. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from '../kube/programs';
import { type RealServer, startRealServer } from '../kube/real-server';
import { until } from '../kube/until';
import { Containerd } from './containerd';
import { Kubectl } from './kubectl';
import { NODE_NAME, startControllers, startKubelet, writeKubeconfig } from './kubernetes';
import { NODE_ADDRESS, createNetwork, routeApiService } from './network';

/** Where what it is made of lies. */
export interface NodePlan {
  /** Of scripts/kube-apiserver.sh. */
  readonly assets: string;
  /** Of scripts/node-programs.sh. */
  readonly programs: string;
  /** The archive of images. */
  readonly images: string;
  /** For all files of the node. */
  readonly directory: string;
}

/** The node. It ends with the namespaces it is in. */
export class Node {
  private constructor(
    readonly server: RealServer,
    readonly containerd: Containerd,
    readonly kubectl: Kubectl,
    readonly programs: readonly Program[],
  ) {}

  /** Starts it, and says what stands. */
  static async start(plan: NodePlan, done: (what: string) => void): Promise<Node> {
    const directory = join(plan.directory, 'node');
    mkdirSync(directory);
    createNetwork();
    const server = await startRealServer(plan.assets, { nodeAddress: NODE_ADDRESS });
    routeApiService(server.port);
    const kubeconfig = writeKubeconfig(server, directory);
    const kubectl = new Kubectl(join(plan.assets, 'kubectl'), kubeconfig, directory);
    const controllers = startControllers(plan.assets, server, kubeconfig, directory);
    done('etcd and kube-apiserver answer; controller manager and scheduler started');
    const containerd = new Containerd(plan.programs, directory);
    await containerd.ready();
    containerd.importImages(plan.images);
    done('containerd has the images');
    const kubelet = startKubelet(plan.assets, kubeconfig, directory);
    const programs = [...controllers, containerd.program, kubelet];
    const node = new Node(server, containerd, kubectl, programs);
    try {
      await until('a Node that is Ready', async () => {
        for (const program of programs) if (!program.running) throw new Error(`${program.name} ended`);
        return (
          (await kubectl.run('wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=1s').catch(() => '')) !==
          ''
        );
      });
    } catch (error) {
      throw new Error(`${String(error)}${programs.map(program => program.tail()).join('')}`, { cause: error });
    }
    done('the Node is Ready');
    return node;
  }
}
