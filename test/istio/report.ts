import { isDeepStrictEqual, inspect } from 'node:util';
import type { Way } from '../bed';
import type { Outcome, Outcomes } from './run';
import { WANTED } from './wanted';

/** How the request went, in a word. */
function brief({ code, status }: Outcome): string {
  if (code !== 0) return `error ${code}`;
  return status === undefined ? 'ok' : `${status}`;
}

/** Prints the comparison; whether all is as under iptables, but for what is wanted. */
export function report(seen: ReadonlyMap<Way, Outcomes>): boolean {
  const reference = seen.get('iptables');
  if (!reference) throw new Error('there is nothing to compare with: iptables has to be among the ways');
  const faults: string[] = [];
  const met = new Set<object>();
  const ways = [...seen.keys()];
  const rows = [...reference].map(([name, expected]) => {
    const cells = ways.map(way => {
      const outcome = seen.get(way)?.get(name);
      if (way === 'iptables') return brief(expected);
      if (outcome && isDeepStrictEqual(outcome, expected)) return 'same';
      const wanted = WANTED.find(each => each.request === name && each.ways.includes(way));
      if (outcome && wanted?.instead === brief(outcome)) {
        met.add(wanted);
        return `wanted ${brief(outcome)}`;
      }
      faults.push(`${name}, ${way}:\n${outcome ? difference(outcome, expected) : 'not asked'}`);
      return outcome ? `DIFFERS ${brief(outcome)}` : 'missing';
    });
    return [name, ...cells];
  });
  print([['', ...ways], ...rows]);
  for (const wanted of WANTED.filter(({ ways: of }) => of.some(way => seen.has(way)))) {
    console.log(`wanted: ${wanted.request}, ${wanted.ways.join(', ')}: ${wanted.instead}. ${wanted.reason}`);
    if (!met.has(wanted)) faults.push(`${wanted.request}: no difference any more, take it from the list`);
  }
  for (const fault of faults) console.log(`\n${fault}`);
  const compared = rows.length * (ways.length - 1);
  console.log(`\n${compared} compared, ${faults.length} different without a reason`);
  return faults.length === 0;
}

function difference(outcome: Outcome, expected: Outcome): string {
  return (Object.keys(expected) as (keyof Outcome)[])
    .filter(key => !isDeepStrictEqual(outcome[key], expected[key]))
    .map(key => `  ${key}: ${show(outcome[key])}\n  under iptables: ${show(expected[key])}`)
    .join('\n');
}

const show = (value: unknown): string => inspect(value, { breakLength: 200, depth: 5 });

function print(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}
