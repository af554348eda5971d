import { isDeepStrictEqual, inspect } from 'node:util';
import type { Way } from '../bed';
import { ALL } from './cases';
import { brief, type PodName, type Request } from './requests';
import type { Outcome, Outcomes } from './batch';
import { WANTED } from './wanted';

/** Prints the comparison; whether all is as under iptables, but for what is wanted. */
export function report(seen: ReadonlyMap<Way, Outcomes>): boolean {
  const reference = seen.get('iptables');
  if (!reference) throw new Error('there is nothing to compare with: iptables has to be among the ways');
  const faults = ALL.flatMap(request => wrongReference(request, reference.get(request.name)));
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

/** What Istio itself is known to do, so that two ways that are equally broken are not taken for good. */
function wrongReference({ name, expects, mutual }: Request, outcome: Outcome | undefined): string[] {
  if (!outcome) return [`${name}: not asked under iptables`];
  if (brief(outcome) !== expects)
    return [`${name}, iptables: ${brief(outcome)} instead of ${expects}\n${show(outcome)}`];
  if (!mutual) return [];
  const [client, server] = mutual;
  const identity = (pod: PodName): string => `spiffe://cluster.local/ns/demo/sa/${pod}`;
  const isSeen =
    outcome.logs[client]?.some(line => line.upstreamIdentity === identity(server) && line.upstreamTls === 'TLSv1.3') &&
    outcome.logs[server]?.some(
      line => line.clientIdentity === identity(client) && line.tls === 'TLSv1.3' && /^outbound_/.test(`${line.sni}`),
    );
  return isSeen ? [] : [`${name}, iptables: no mutual TLS\n${show(outcome)}`];
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
