/** containerd with runc and CNI plugins, as scripts/node-programs.sh unpacked them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from '../bed/children';
import { SYSTEM_PATH } from '../bed/shell';
import { patienceFor } from '../bed/slowness';
import { Program } from '../kube/programs';
import { until } from '../kube/until';
import { PAUSE_IMAGE } from './images';
import { CNI_CONFIG } from './network';

export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

/** The runtime of the node. */
export class Containerd {
  readonly program: Program;
  readonly #ctr: string;

  constructor(programs: string, directory: string) {
    const cni = join(directory, 'cni');
    mkdirSync(cni);
    writeFileSync(join(cni, '10-node.conflist'), JSON.stringify(CNI_CONFIG));
    const config = join(directory, 'containerd.toml');
    writeFileSync(config, configuration(programs, cni, join(directory, 'opt')));
    this.#ctr = join(programs, 'usr/bin/ctr');
    this.program = new Program('containerd', directory, join(programs, 'usr/bin/containerd'), ['-c', config], {
      PATH: [join(programs, 'usr/bin'), join(programs, 'usr/sbin'), SYSTEM_PATH].join(':'),
    });
  }

  /** Waits until it answers. */
  async ready(): Promise<void> {
    await until('containerd', () => {
      if (!this.program.running) throw new Error('containerd ended');
      return existsSync(CONTAINERD_SOCKET);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}${this.program.tail()}`, { cause: error });
    });
  }

  /** Takes an archive of images. */
  importImages(archive: string): void {
    this.run('images', 'import', archive);
  }

  /** Runs `ctr` on what belongs to Kubernetes. */
  run(...args: string[]): string {
    return execFileSync(this.#ctr, ['-a', CONTAINERD_SOCKET, '-n', 'k8s.io', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: patienceFor(180_000),
    });
  }
}

/**
 * `restrict_oom_score_adj`: a root without CAP_SYS_RESOURCE may not lower its oom_score_adj. Without this runc then
 * fails for every pod, with "can't get final child's PID from pipe: EOF".
 */
function configuration(programs: string, cni: string, opt: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `
version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "${opt}"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [${cri}.containerd]
    snapshotter = "overlayfs"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "${join(programs, 'usr/sbin/runc')}"
  [${cri}.cni]
    bin_dir = "${join(programs, 'usr/lib/cni')}"
    conf_dir = "${cni}"
`;
}
