/** The images that this node runs: nothing of them comes from a registry. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { envoyBinary } from '../bed/envoy';
import { imageCommand, imageEnvironment } from '../kube/agent-image';
import { DAEMONSET } from '../kube/manifests';
import { buildAgent } from './dockerfile';
import { packLayer, writeArchive } from './image-archive';

/** The agent's, as the example's manifests name it. */
export const AGENT_IMAGE = /image: (\S+) # image/.exec(
  readFileSync(join(DAEMONSET, 'deploy/merbridge.yaml'), 'utf8'),
)![1]!;
/** The one of its next version. */
export const NEXT_AGENT_IMAGE = AGENT_IMAGE.replace(/:.*/, ':next');
export const PAUSE_IMAGE = 'merbridge.test/pause:1';
export const APPLICATION_IMAGE = 'merbridge.test/application:1';
export const SIDECAR_IMAGE = 'merbridge.test/sidecar:1';

const APPS = join(__dirname, '..', 'bed', 'apps');

/** Builds them in `scratch` and writes one archive of them. `base` is the tar file of scripts/node-programs.sh. */
export async function buildImages(base: string, scratch: string, archive: string): Promise<void> {
  mkdirSync(scratch);
  /** A layer of single files: path in the image to where they are. */
  const layer = (name: string, files: Readonly<Record<string, string>>): string => {
    const folder = join(scratch, name);
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      copyFileSync(source, join(folder, path));
    }
    return packLayer(folder, join(scratch, `${name}.tar`));
  };
  // The official image has it there, too.
  const node = layer('node', { 'usr/local/bin/node': process.execPath });
  const agent = packLayer(buildAgent(scratch), join(scratch, 'agent.tar'));
  const programs = ['server.mjs', 'probe.mjs', 'pattern.mjs'];
  const application = layer('application', Object.fromEntries(programs.map(name => [`app/${name}`, join(APPS, name)])));
  const sidecar = layer('sidecar', { 'usr/local/bin/envoy': envoyBinary() });
  const release = join(scratch, 'release');
  writeFileSync(release, 'next\n');
  const agentImage = {
    layers: [base, node, agent],
    workingDirectory: '/agent',
    command: imageCommand(),
    environment: imageEnvironment(),
  };
  await writeArchive(
    [
      { name: AGENT_IMAGE, ...agentImage },
      // Another image to the runtime and to Kubernetes, with the same programs.
      {
        name: NEXT_AGENT_IMAGE,
        ...agentImage,
        layers: [...agentImage.layers, layer('next', { 'agent/RELEASE': release })],
      },
      { name: PAUSE_IMAGE, layers: [base], command: ['sleep', 'infinity'] },
      { name: APPLICATION_IMAGE, layers: [base, node, application], workingDirectory: '/app' },
      { name: SIDECAR_IMAGE, layers: [base, sidecar] },
    ],
    join(scratch, 'archive'),
    archive,
  );
}
