/**
 * The long form of `full-programs.test.ts`: bodies between everyday servers and clients, in `full` and
 * under iptables as the control. Exits with 0 only if every body arrived whole.
 */
import { Bed, type Mode, type SidecarKind } from '../test/bed';
import {
  type Body,
  CLIENTS,
  FAULTS,
  type Failure,
  type Prepared,
  ProgramPods,
  type Route,
  prepareSite,
  routeName,
} from '../test/bed/programs';
import { type ProgramsOptions, programsOptions, usage } from './programs-options';
import { table } from './table';

/** One transfer: undefined is a good end. */
interface Outcome {
  readonly sidecar: SidecarKind;
  readonly mode: Mode;
  readonly route: Route;
  readonly milliseconds: number;
  readonly failure: Failure | undefined;
}

async function main(): Promise<void> {
  const options = programsOptions(process.argv.slice(2));
  if (options === 'help') return console.log(usage);
  Bed.sweep();
  const site = prepareSite(options.lengths);
  const outcomes: Outcome[] = [];
  const started = Date.now();
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const sidecar of options.sidecars) {
        for (const mode of options.modes) outcomes.push(...(await ride(options, site, round, sidecar, mode)));
      }
    }
  } finally {
    site.remove();
  }
  for (const sidecar of options.sidecars)
    console.log(
      `\n${summary(
        outcomes.filter(outcome => outcome.sidecar === sidecar),
        sidecar,
        options,
      )}`,
    );
  const counts = FAULTS.map(
    fault => `${outcomes.filter(({ failure }) => failure?.fault === fault).length} ${fault}`,
  ).join(', ');
  console.log(`\n${outcomes.length} transfers, ${((Date.now() - started) / 60_000).toFixed(1)} minutes: ${counts}`);
  process.exitCode = outcomes.length > 0 && outcomes.every(({ failure }) => failure === undefined) ? 0 : 1;
}

/** All bodies on all routes, in pods of their own. */
async function ride(
  { routes, together }: ProgramsOptions,
  site: Prepared,
  round: number,
  sidecar: SidecarKind,
  mode: Mode,
): Promise<Outcome[]> {
  await using pods = await ProgramPods.open({ mode, sidecar, site, subnet: 151 });
  const began = Date.now();
  const outcomes: Outcome[] = [];
  const send = async (some: readonly Route[], body: Body): Promise<void> => {
    for (const route of some) {
      const sent = Date.now();
      const failure = await pods.transfer(route, body);
      outcomes.push({ sidecar, mode, route, milliseconds: Date.now() - sent, failure });
      if (failure) console.log(describe(`${sidecar} ${mode}, ${routeName(route)}, ${body.bytes} bytes`, failure));
    }
  };
  // A client has one transfer at a time.
  const lanes = together ? CLIENTS.map(client => routes.filter(route => route.client === client)) : [routes];
  for (const body of site.files) await Promise.all(lanes.map(lane => send(lane, body)));
  const bad = outcomes.filter(({ failure }) => failure !== undefined).length;
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  console.log(
    `round ${round}  ${sidecar.padEnd(7)}  ${mode.padEnd(8)}  ${outcomes.length} transfers  ${seconds} s  ${bad === 0 ? 'ok' : `${bad} FAILED`}`,
  );
  return outcomes;
}

function describe(transfer: string, { fault, answer = '', waiting = [] }: Failure): string {
  return [`  ${transfer}: ${fault} ${answer}`, ...waiting.map(socket => `    ${socket}`)].join('\n');
}

/** A line for each route: how many transfers failed in each mode, with how long they took, and how. */
function summary(outcomes: readonly Outcome[], sidecar: SidecarKind, { routes, modes }: ProgramsOptions): string {
  const row = (title: string, some: readonly Outcome[]): string[] => {
    const cells = modes.flatMap(mode => {
      const here = some.filter(outcome => outcome.mode === mode);
      const bad = here.filter(({ failure }) => failure !== undefined).length;
      return [
        `${bad} of ${here.length}`,
        (here.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000).toFixed(1),
      ];
    });
    return [
      title,
      ...cells,
      ...FAULTS.map(fault => `${some.filter(({ failure }) => failure?.fault === fault).length}`),
    ];
  };
  return table([
    [`${sidecar}: failed, seconds`, ...modes.flatMap(mode => [mode, 's']), ...FAULTS],
    ...routes.map(route =>
      row(
        routeName(route),
        outcomes.filter(outcome => outcome.route === route),
      ),
    ),
    row('all', outcomes),
  ]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
