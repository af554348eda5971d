import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { View, parse } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { median } from '../../test/bed';
import { metrics, type Metric } from './metric';
import { WAYS } from './modes';
import type { Judged } from './report';

/** For pages that are light and pages that are dark. */
const themes = {
  light: {
    background: '#ffffff',
    text: '#1f2328',
    grid: '#d8dee4',
    colors: ['#6e7781', '#cf222e', '#bc6c00', '#0969da', '#1a7f37'],
  },
  dark: {
    background: '#0d1117',
    text: '#e6edf3',
    grid: '#30363d',
    colors: ['#8b949e', '#ff7b72', '#e3b341', '#79c0ff', '#56d364'],
  },
} as const;

type Theme = keyof typeof themes;

/** One picture each: a metric against the number of connections. */
const pictures: Readonly<Partial<Record<Metric, { readonly file: string; readonly title: string }>>> = {
  qps: { file: 'requests', title: 'Requests per second against connections' },
  p50: { file: 'latency', title: 'Latency (median) against connections' },
  p99: { file: 'tails', title: 'Latency (99th percentile) against connections' },
  cpu: { file: 'cpu', title: 'CPU time for 1,000 requests against connections' },
};

/** Shapes tell the lines apart where colours do not. */
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'cross'];

/** Pixels of a PNG for each pixel of the drawing: sharp on a screen of high density, too. */
const SCALE = 2;

/**
 * Draws all pictures, each as SVG and PNG, for light and dark pages.
 *
 * @param subtitle - what was measured, in short
 * @returns the files that were written
 */
export async function drawPictures(judged: readonly Judged[], subtitle: string, directory: string): Promise<string[]> {
  const files: string[] = [];
  for (const [metric, { file, title }] of Object.entries(pictures) as [Metric, { file: string; title: string }][]) {
    const points = judged.filter(point => point.metric === metric);
    if (points.length === 0) continue;
    for (const theme of Object.keys(themes) as Theme[]) {
      const svg = await new View(parse(compile(drawing(metric, points, title, subtitle, theme)).spec), {
        renderer: 'none',
      }).toSVG();
      const path = join(directory, `${file}-${theme}`);
      writeFileSync(`${path}.svg`, svg);
      const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
      writeFileSync(`${path}.png`, new Resvg(svg, { fitTo: { mode: 'zoom', value: SCALE }, font }).render().asPng());
      files.push(`${path}.svg`, `${path}.png`);
    }
  }
  return files;
}

/** A line for each way through its medians, and a band that half of the rounds are in. */
function drawing(
  metric: Metric,
  points: readonly Judged[],
  title: string,
  subtitle: string,
  theme: Theme,
): TopLevelSpec {
  const { background, text, grid, colors } = themes[theme];
  const values = points.flatMap(({ connections, values: all }) =>
    WAYS.map(way => ({
      connections,
      way,
      value: median(all[way]),
      ...middleHalf(all[way]),
    })),
  );
  const counts = points.map(({ connections }) => connections ?? 0);
  const domain = [...WAYS];
  const x = {
    field: 'connections',
    type: 'quantitative' as const,
    title: 'connections',
    scale: { type: 'log' as const, base: 2, nice: false },
    axis: { values: counts, format: 'd' },
  };
  // Both grow by a hundredfold: on linear axes the lines at the bottom would be one.
  const y = {
    type: 'quantitative' as const,
    title: `${metrics[metric].label} (logarithmic)`,
    scale: { type: 'log' as const, nice: false },
  };
  const legend = { title: null, orient: 'top' as const, symbolOpacity: 1, symbolSize: 90 };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: title,
      subtitle,
      anchor: 'start',
      color: text,
      subtitleColor: text,
      fontSize: 15,
      subtitleFontSize: 11,
      offset: 12,
    },
    width: 640,
    height: 340,
    padding: 16,
    background,
    data: { values },
    encoding: { color: { field: 'way', type: 'nominal', sort: domain, scale: { domain, range: [...colors] }, legend } },
    layer: [
      { mark: { type: 'area', opacity: 0.15 }, encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } } },
      { mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y: { ...y, field: 'value' } } },
      {
        mark: { type: 'point', filled: true, size: 50, opacity: 1 },
        encoding: {
          x,
          y: { ...y, field: 'value' },
          shape: { field: 'way', type: 'nominal', scale: { domain, range: SHAPES }, legend },
        },
      },
    ],
    config: {
      font: 'DejaVu Sans, sans-serif',
      view: { stroke: grid },
      axis: {
        labelColor: text,
        titleColor: text,
        gridColor: grid,
        domainColor: grid,
        tickColor: grid,
        titlePadding: 8,
      },
      legend: { labelColor: text, labelFontSize: 12 },
    },
  };
}

/** The bounds of the middle half of some values; of one value itself. */
function middleHalf(values: readonly number[]): { low: number; high: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const skipped = Math.floor((sorted.length - 1) / 4);
  return { low: sorted[skipped]!, high: sorted[sorted.length - 1 - skipped]! };
}
