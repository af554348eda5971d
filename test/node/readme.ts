/** The commands that the example's README tells a person to type. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DAEMONSET } from '../kube/manifests';

/** Those with kubectl of a section; where Docker builds and pushes the image, there is another way here. */
export function readmeCommands(section: string): string {
  const text = readFileSync(join(DAEMONSET, 'README.md'), 'utf8');
  const [, part = ''] = text.split(`\n## ${section}\n`);
  const blocks = [...part.split('\n## ')[0]!.matchAll(/^```sh\n(.*?)^```$/gms)].map(match => match[1]!);
  const commands = blocks.filter(block => block.includes('kubectl '));
  if (commands.length !== 1) throw new Error(`the README has ${commands.length} blocks for kubectl under ${section}`);
  return commands[0]!;
}
