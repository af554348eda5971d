/** `npm run bench`: every way that two applications can reach each other, side by side, as tables, JSON and pictures. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bed } from '../../test/bed';
import { conditions, describeConditions } from './conditions';
import type { Point } from './figure';
import { WAYS } from './modes';
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
  const runs: Point[][] = [];
  for (let run = 0; run < options.runs; run++) runs.push(await measure(options, progress));
  const judged = judgeRuns(runs);
  const text = `${tables(judged)}\n\n${describeConditions(where)}\n`;
  console.log(`\n${text}`);
  mkdirSync(options.output, { recursive: true });
  writeFileSync(join(options.output, 'tables.txt'), text);
  const json = join(options.output, 'figures.json');
  writeFileSync(json, `${JSON.stringify({
    conditions: where, points: judged.map(point => ({ ...point, best: best(point) })), runs,
  }, undefined, 1)}\n`);
  const subtitle = `${options.sidecar}, ${where.bodyBytes} bytes, Linux ${where.kernel}, ${where.cpus} CPUs for all; bands: half of the rounds`;
  const files = await drawPictures(judged, subtitle, options.output);
  console.log(`\n${[join(options.output, 'tables.txt'), json, ...files].map(file => `  ${file}`).join('\n')}`);
}

/** One run: all rounds, each in fresh pods. The order of the ways is turned each time. */
async function measure(options: CompareOptions, progress: Progress): Promise<Point[]> {
  const series = new Series();
  for (const [name, part] of [['requests', requests], ['streams', streams]] as const) {
    for (let i = 0; i < options.rounds; i++) {
      const ways = i % 2 === 0 ? WAYS : [...WAYS].reverse();
      await part(options, new Round(ways, series, point => progress.next(`${name}, round ${i + 1} of ${options.rounds}, ${point}`)));
    }
  }
  return series.points();
}
