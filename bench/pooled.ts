import { APPLICATION_UID, MODES, WEB_PORT, enterMesh, load, median, ratio, startService, startSidecar, type Mode } from '../test/bed';
import { describe } from './comparison';
import { readOptions } from './options';
import { table } from './table';
import { measureInTwoPods } from './two-pods';

const defaults = { sidecar: 'envoy', rounds: '5', seconds: '2', connections: '16', body: '8192' };

/** More than may wait in an accelerated socket, at a speed at which most of it would. */
const LARGE = 16e6;
const LARGE_RATE = '20M';
/** Not the port of the web server that two pods have anyway. */
const PORT = WEB_PORT + 1;

/** Answers of two sizes at one port, so that the sidecars carry them over the same connections. */
const twoSizes = (body: number): string => `
const bodies = { '/': Buffer.alloc(${body}, 'x'), '/large': Buffer.alloc(${LARGE}, 'y') };
require('http').createServer((request, response) => response.end(bodies[request.url])).listen(${PORT}, '0.0.0.0');`;

interface Round {
  readonly before: number;
  readonly after: number;
  /** Sockets that left the map while the large answers were read. */
  readonly left: number;
}

/**
 * What it costs that a connection which carried one large body stays on the TCP stack: requests/s before and after each of the sidecars' connections
 * carried one to a slow reader.
 */
export async function pooled(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- pooled', defaults, args);
  if (!options) return;
  const { sidecar, rounds, seconds, body } = options;
  const [connections = 1] = options.connections;
  console.log(`${sidecar}, ${connections} connections, answers of ${body} bytes; between, ${connections} of ${LARGE / 1e6} MB at ${LARGE_RATE}B/s`);
  const seen = Object.fromEntries(MODES.map(mode => [mode, []])) as unknown as Record<Mode, Round[]>;
  for (let round = 0; round < rounds; round++) {
    for (const mode of round % 2 === 0 ? MODES : [...MODES].reverse()) {
      process.stderr.write(`round ${round + 1}/${rounds}  ${mode}\n`);
      seen[mode].push(await measureInTwoPods(mode, bed => enterMesh(bed, mode), 64, async ({ client, server, mesh }) => {
        await startService(server, {
          name: 'two-sizes', command: process.execPath, args: ['-e', twoSizes(body)], uid: APPLICATION_UID, ports: [PORT],
        });
        await Promise.all([client, server].map(each => startSidecar(each, { kind: sidecar, log: false })));
        const url = `http://${server.address}:${PORT}/`;
        const speed = async (): Promise<number> => (await load(client, { url, connections, seconds })).qps;
        const before = await speed();
        const left = mesh?.counters().socketsLeft ?? 0n;
        const downloads = Array.from({ length: connections }, () => client.run(
          'curl', ['-sS', '--limit-rate', LARGE_RATE, '-o', '/dev/null', `${url}large`], { uid: APPLICATION_UID, timeoutMs: 60_000 }));
        for (const { code, stderr } of await Promise.all(downloads)) if (code !== 0) throw new Error(`a large answer failed: ${stderr}`);
        return { before, left: Number((mesh?.counters().socketsLeft ?? 0n) - left), after: await speed() };
      }));
    }
  }
  const of = (mode: Mode, when: 'before' | 'after'): number[] => seen[mode].map(round => round[when]);
  console.log(`\n${table([
    ['', ...MODES],
    ...(['before', 'after'] as const).flatMap(when => [
      [`requests/s ${when}, median of ${rounds}`, ...MODES.map(mode => String(Math.round(median(of(mode, when)))))],
      ['  × iptables', ...MODES.map(mode => describe(ratio(of(mode, when), of('iptables', when))))],
    ]),
    ['sockets that left the map', ...MODES.map(mode => String(median(seen[mode].map(({ left }) => left))))],
  ])}\n`);
}
