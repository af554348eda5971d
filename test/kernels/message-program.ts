/** The variant of the sk_msg program that this process has loaded: a start takes the other one if one is refused. */
import { readFileSync, readdirSync } from 'node:fs';
import { OpenBpfObject } from 'merbridge/bpf';
import { objectPath } from 'merbridge';
import { MESSAGE_PROGRAMS } from '../../src/mesh/datapath/hooks';

/** BPF_PROG_TYPE_SK_MSG */
const SK_MSG = '16';

/** Tags of the sk_msg programs that this process has open. */
function openTags(): Set<string> {
  const field = (text: string, name: string): string => new RegExp(`^${name}:\t(\\S+)$`, 'm').exec(text)?.[1] ?? '';
  const tags = readdirSync('/proc/self/fdinfo').map(fd => {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      return field(text, 'prog_type') === SK_MSG ? field(text, 'prog_tag') : '';
    } catch {
      return ''; // that of the listing itself
    }
  });
  return new Set(tags.filter(tag => tag !== ''));
}

/** The tag of a variant; `undefined` if this kernel refuses it. */
function tagOf(name: string): string | undefined {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  for (const program of open.programs()) program.autoload = program.name === name;
  try {
    using object = open.load();
    return object.program(name).tag;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BPF_VERIFIER') return undefined;
    throw error;
  }
}

/**
 * The variant that the meshes of this process run; `undefined` if none runs. The kernel keeps 15 bytes of a name, and
 * these are the same in both, so their tags tell.
 */
export function loadedMessageProgram(): string | undefined {
  const tags = openTags();
  return MESSAGE_PROGRAMS.find(name => tags.has(tagOf(name) ?? ''));
}
