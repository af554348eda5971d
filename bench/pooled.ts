import {
  APPLICATION_UID,
  MODES,
  WEB_PORT,
  enterMesh,
  interleave,
  load,
  median,
  ratio,
  startService,
  startSidecar,
  type Mode,
} from '../test/bed';
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

/**
 * What it costs that a connection which carried one large body stays on the TCP stack: requests/s before and after each
 * of the sidecars' connections carried one to a slow reader.
 */
export async function pooled(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- pooled', defaults, args);
  if (!options) return;
  const { sidecar, rounds, seconds, body } = options;
  const [connections = 1] = options.connections;
  console.log(
    `${sidecar}, ${connections} connections, answers of ${body} bytes; between, ${connections} of ${LARGE / 1e6} MB at ${LARGE_RATE}B/s`,
  );
  const each = (): Record<Mode, number[]> =>
    Object.fromEntries(MODES.map(mode => [mode, []])) as unknown as Record<Mode, number[]>;
  const [after, left] = [each(), each()];
  const one = (mode: Mode) => (): Promise<number> =>
    measureInTwoPods(
      mode,
      bed => enterMesh(bed, mode),
      64,
      async ({ client, server, mesh }) => {
        await startService(server, {
          name: 'two-sizes',
          command: process.execPath,
          args: ['-e', twoSizes(body)],
          uid: APPLICATION_UID,
          ports: [PORT],
        });
        await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, log: false })));
        const url = `http://${server.address}:${PORT}/`;
        const speed = async (): Promise<number> => (await load(client, { url, connections, seconds })).qps;
        const socketsLeft = (): number => Number(mesh?.counters().socketsLeft ?? 0n);
        const before = await speed();
        const leftBefore = socketsLeft();
        const downloads = Array.from({ length: connections }, () =>
          client.run('curl', ['-sS', '--limit-rate', LARGE_RATE, '-o', '/dev/null', `${url}large`], {
            uid: APPLICATION_UID,
            timeoutMs: 60_000,
          }),
        );
        for (const { code, stderr } of await Promise.all(downloads))
          if (code !== 0) throw new Error(`a large answer failed: ${stderr}`);
        left[mode].push(socketsLeft() - leftBefore);
        after[mode].push(await speed());
        return before;
      },
    );
  const before = await interleave(
    Object.fromEntries(MODES.map(mode => [mode, one(mode)])) as Record<Mode, () => Promise<number>>,
    'iptables',
    rounds,
    (mode, round) => process.stderr.write(`round ${round + 1}/${rounds}  ${mode}\n`),
  );
  console.log(
    `\n${table([
      ['', ...MODES],
      [`requests/s before, median of ${rounds}`, ...MODES.map(mode => String(Math.round(before.modes[mode].median)))],
      ['  × iptables', ...MODES.map(mode => describe(before.ratios[mode]))],
      [`requests/s after, median of ${rounds}`, ...MODES.map(mode => String(Math.round(median(after[mode]))))],
      ['  × iptables', ...MODES.map(mode => describe(ratio(after[mode], after.iptables)))],
      ['sockets that left the map', ...MODES.map(mode => String(median(left[mode])))],
    ])}\n`,
  );
}
