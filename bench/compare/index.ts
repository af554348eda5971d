/** `npm run bench`: every way that two applications can reach each other, side by side, as tables, JSON and pictures. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bed } from '../../test/bed';
import { conditions, describeConditions } from './conditions';
import type { Figure, Point } from './figure';
import { WAYS, type Way } from './modes';
import { readCompareOptions, type CompareOptions } from './options';
import { drawPictures } from './pictures';
import { Progress } from './progress';
import { best, judgeRuns, tables } from './report';
import { requests } from './requests';
import { Series } from './series';
import { streams } from './streams';

/** Measures, prints and draws. */
export async function compareAll(args: readonly string[]): Promise<void> {
  const options = readCompareOptions(args);
  if (!options) return;
  Bed.sweep();
  const where = conditions(options);
  const progress = new Progress(options.runs * options.rounds * WAYS.length * 2);
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

/** One run: all rounds, forwards and backwards in turn, so that the place in a round does nothing for any way. */
async function measure({ sidecar, connections, rounds, seconds }: CompareOptions, progress: Progress): Promise<Point[]> {
  const series = new Series();
  const parts: readonly (readonly [string, (way: Way) => Promise<Figure[]>])[] = [
    ['requests', way => requests(way, sidecar, connections, seconds)],
    ['streams', way => streams(way, sidecar, seconds)],
  ];
  for (const [name, part] of parts) {
    for (let round = 0; round < rounds; round++) {
      for (const way of round % 2 === 0 ? WAYS : [...WAYS].reverse()) {
        progress.next(`${name}, round ${round + 1} of ${rounds}, ${way}`);
        series.add(way, await part(way));
      }
    }
  }
  return series.points();
}
