/**
 * Prints whether acceleration can work on this machine, and what is already attached. Attaches and changes nothing. As
 * root it sees more.
 *
 *   diagnose.ts [--json] [CGROUP] [PIN_DIRECTORY]
 *
 * The exit code is 0 if acceleration can work here, 1 otherwise.
 */
import { parseArgs } from 'node:util';
import { diagnose, type Diagnosis } from 'merbridge';

const MARKS = new Map<boolean | undefined, string>([
  [true, 'yes'],
  [false, 'no'],
  [undefined, '?'],
]);

/** Rows in columns, each as wide as its widest text. */
function table(title: string, rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const lines = rows.map(
    row =>
      `  ${row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}`,
  );
  return [title, ...(lines.length === 0 ? ['  nothing'] : lines), ''].join('\n');
}

function print({
  ok,
  problems,
  kernel,
  libbpf,
  process: self,
  features,
  cgroup,
  attached,
  accelerators,
  pins,
  hazards,
}: Diagnosis): void {
  console.log(
    table('Machine', [
      ['kernel', `${kernel.release} ${kernel.architecture}`],
      [
        'known faults',
        kernel.advisories
          .map(({ id, fixedIn, certain }) => `${id} (fixed in ${fixedIn}${certain ? '' : ', ask the distribution'})`)
          .join(', ') || 'none',
      ],
      ['libbpf', 'unknown' in libbpf ? libbpf.unknown : `${libbpf.version} ${libbpf.path ?? ''}`],
      [
        'user',
        `${self.uid ?? '?'}, ${self.missingCapabilities.length === 0 ? 'has all capabilities that are needed' : `lacks ${self.missingCapabilities.join(', ')}`}`,
      ],
      ...('unknown' in cgroup
        ? [['cgroup', cgroup.unknown]]
        : [
            ['cgroup2', `${cgroup.mounts.join(', ') || 'not mounted'}${cgroup.hybrid ? ', beside version 1' : ''}`],
            ['cgroup', cgroup.valid ? `${cgroup.path}` : `${cgroup.reason}`],
          ]),
    ]),
  );
  console.log(
    table(
      'Features',
      features.map(({ name, required, supported, reason }) => [
        MARKS.get(supported)!,
        name,
        required ? '' : 'optional',
        reason ?? '',
      ]),
    ),
  );
  console.log(
    table(
      'Attached to the cgroup and above',
      'unknown' in attached
        ? [[attached.unknown]]
        : attached.map(each => [
            each.attachType,
            each.name || '?',
            `program ${each.id}`,
            each.linkId === undefined ? '' : `link ${each.linkId}`,
            MARKS.get(each.ours) === 'yes' ? 'ours' : '',
            each.cgroup,
          ]),
    ),
  );
  console.log(
    table(
      'Accelerators at the cgroup, above and below',
      'unknown' in accelerators
        ? [[accelerators.unknown]]
        : accelerators.map(each => [
            `program ${each.programId}`,
            each.cgroup ?? '?',
            each.pinDirectory === undefined ? '' : `pins in ${each.pinDirectory}`,
            each.pid === undefined ? '' : `process ${each.pid}`,
          ]),
    ),
  );
  if (pins !== undefined)
    console.log(
      table(
        'Pins',
        'unknown' in pins
          ? [[pins.unknown]]
          : !pins.exists
            ? []
            : [
                ['agent', pins.agent === undefined ? 'none' : `process ${pins.agent}`],
                ['sets', `${pins.sets}${pins.running === undefined ? ', none runs' : `, ${pins.running} runs`}`],
                [
                  'attached',
                  pins.links
                    .filter(link => link.attached)
                    .map(({ name }) => name)
                    .join(', ') || 'nothing',
                ],
                ...pins.maps.map(({ map, entries, maxEntries }) => [map, `${entries ?? '?'} of ${maxEntries}`]),
              ],
      ),
    );
  console.log(
    table(
      'Hazards',
      'unknown' in hazards
        ? [[hazards.unknown]]
        : hazards
            .filter(({ applies }) => applies !== false)
            .map(({ id, applies, message }) => [applies === undefined ? '?' : '!', id, message]),
    ),
  );
  console.log(
    ok
      ? 'acceleration can work here'
      : `acceleration cannot work here, or that is not known:\n${problems.map(problem => `  ${problem}`).join('\n')}`,
  );
}

async function main(): Promise<void> {
  const {
    values,
    positionals: [cgroup, pinDirectory],
  } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean', default: false } } });
  const found = await diagnose({ cgroup, pinDirectory });
  if (values.json) console.log(JSON.stringify(found, null, 2));
  else print(found);
  if (!found.ok) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
