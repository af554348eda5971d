/**
 * `npm run bench`: every way that two applications can reach each other, side by side, as tables, JSON and pictures.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bed } from '../../test/bed';
import { conditions, describeConditions } from './conditions';
import { WAYS, type Way } from './modes';
import { readCompareOptions, type CompareOptions } from './options';
import { drawPictures } from './pictures';
import { Progress } from './progress';
import { best, judgeRuns, tables } from './report';
import { requests } from './requests';
import { Round } from './round';
import { Series } from './series';
import { STREAM_POINTS, streams } from './streams';

/** Measures, prints and draws. */
export async function compareAll(args: readonly string[]): Promise<void> {
  const options = readCompareOptions(args);
  if (!options) return;
  Bed.sweep();
  const where = conditions(options);
  const progress = new Progress(options.runs * options.rounds * (options.connections.length + STREAM_POINTS));
  mkdirSync(options.output, { recursive: true });
  const runs: Series[] = [];
  try {
    for (let run = 0; run < options.runs; run++) await measure(options, run, runs, progress);
  } catch (error) {
    // What was measured is not thrown away, and is not taken for the whole either.
    const incomplete = join(options.output, 'incomplete.json');
    writeJson(incomplete, { conditions: where, error: String(error), runs: runs.map(run => run.points()) });
    console.error(`the figures until then: ${incomplete}`);
    throw error;
  }
  const points = runs.map(run => run.points());
  const judged = judgeRuns(points);
  const text = `${tables(judged)}\n\n${describeConditions(where)}\n`;
  console.log(`\n${text}`);
  const [tablesFile, json] = [join(options.output, 'tables.txt'), join(options.output, 'figures.json')];
  writeFileSync(tablesFile, text);
  writeJson(json, { conditions: where, points: judged.map(point => ({ ...point, best: best(point) })), runs: points });
  const subtitle = `${options.sidecar}, ${where.bodyBytes} bytes, Linux ${where.kernel}, ${where.cpus} CPUs for all; bands: half of the rounds`;
  const files = await drawPictures(judged, subtitle, options.output);
  console.log(`\n${[tablesFile, json, ...files].map(file => `  ${file}`).join('\n')}`);
}

/**
 * One run: all rounds, each in fresh pods.
 *
 * @param run - which one, from 0: every round of every run has another order of the ways, so that none has always the
 * same neighbours
 * @param runs - gets the figures of this one as they come
 */
async function measure(options: CompareOptions, run: number, runs: Series[], progress: Progress): Promise<void> {
  const series = new Series();
  runs.push(series);
  for (const [name, part] of [
    ['requests', requests],
    ['streams', streams],
  ] as const) {
    for (let i = 0; i < options.rounds; i++) {
      const ways = orderOf(run * options.rounds + i);
      await part(
        options,
        new Round(ways, series, point => progress.next(`${name}, round ${i + 1} of ${options.rounds}, ${point}`)),
      );
    }
  }
}

/** Rotated by one each time, and every other one reversed. */
function orderOf(round: number): Way[] {
  const first = round % WAYS.length;
  const ways = [...WAYS.slice(first), ...WAYS.slice(0, first)];
  return round % 2 === 0 ? ways : ways.reverse();
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 1)}\n`);
}
