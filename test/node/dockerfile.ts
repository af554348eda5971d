/** Does the steps of the example's Dockerfile without Docker: what its last stage copies from the first. */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from '../bed/children';
import { ROOT } from '../fixtures/compile';
import { DAEMONSET } from '../kube/manifests';

interface Step {
  readonly instruction: string;
  readonly text: string;
}

/** The steps of each stage. */
function readStages(file: string): Step[][] {
  const text = readFileSync(file, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ');
  const stages: Step[][] = [];
  for (const [, instruction = '', rest = ''] of text.matchAll(/^([A-Z]+) (.*)$/gm)) {
    if (instruction === 'FROM') stages.push([]);
    stages.at(-1)?.push({ instruction, text: rest });
  }
  if (stages.length !== 2) throw new Error(`${file} has ${stages.length} stages, not 2`);
  return stages;
}

/**
 * Builds the agent in `scratch`, from this tree's library, and returns a folder with the files that its image adds to
 * node and to the packages of its last stage. Those are in the base layer: scripts/node-programs.sh reads them from the
 * same file.
 */
export function buildAgent(scratch: string): string {
  const [build = [], last = []] = readStages(join(DAEMONSET, 'Dockerfile'));
  const [context, stage, layer] = ['context', 'build', 'layer'].map(name => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  cpSync(DAEMONSET, context, { recursive: true });
  mkdirSync(stage);
  const sh = (command: string, cwd: string, env: NodeJS.ProcessEnv = {}): string =>
    execFileSync('sh', ['-ec', command], {
      cwd,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 300_000, // npm waits for a registry as long as its own limits let it
      stdio: 'pipe', // of a step that fails, the error has it
    });
  // The steps of `npm run pack`, but for the build, which is done.
  const tarball = sh(`npm pack --silent --ignore-scripts --pack-destination "${context}"`, ROOT).trim();
  for (const { instruction, text } of build) {
    if (instruction === 'COPY') sh(`cp -- ${text.replace(/ \.\/$/, '')} "${stage}"`, context);
    if (instruction === 'RUN') sh(text, stage, { MERBRIDGE: `./${tarball}` });
  }
  const directory = join(layer, last.find(({ instruction }) => instruction === 'WORKDIR')?.text ?? '/');
  mkdirSync(directory, { recursive: true });
  for (const { instruction, text } of last) {
    if (instruction !== 'COPY') continue;
    const [, from, to] = /^--from=build \/agent\/(\S+) (\S+)$/.exec(text) ?? [];
    if (from === undefined || to === undefined) throw new Error(`a COPY that is not understood: ${text}`);
    sh(`cp -r -- ${from} "${join(directory, to)}"`, stage);
  }
  return layer;
}
