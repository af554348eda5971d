import type { Pod } from './pod';
import { PATIENCE_MS } from './shell';
import { patienceFor } from './slowness';
import { APPLICATION_UID } from './web-server';

/** How one request went. */
export interface RequestResult {
  readonly ok: boolean;
  /** 0 if no answer came. */
  readonly status: number;
  readonly milliseconds: number;
  /** curl's exit code: 0 success, 7 refused, 28 timeout, 52 empty answer, 56 reset. */
  readonly curl: number;
  readonly error: string;
  readonly body: string;
  /** The peer's address as the client's own getpeername() gives it. */
  readonly peer: string;
}

/** Options of {@link request}. */
export interface RequestOptions {
  readonly timeoutMs?: number;
  readonly uid?: number;
}

const MARK = '\n--merbridge--';

/**
 * One request from a pod, without any retry: how the first connection of a fresh sidecar goes is what this is for.
 */
export async function request(pod: Pod, url: string, options: RequestOptions = {}): Promise<RequestResult> {
  const { timeoutMs = 10_000, uid = APPLICATION_UID } = options;
  const run = await pod.run(
    'curl',
    [
      '-gsS',
      '--max-time',
      `${patienceFor(timeoutMs) / 1000}`,
      '--noproxy',
      '*',
      '-w',
      `${MARK}%{http_code} %{time_total} %{remote_ip}:%{remote_port}`,
      url,
    ],
    { uid, timeoutMs: timeoutMs + PATIENCE_MS },
  );
  const at = run.stdout.lastIndexOf(MARK);
  const [status = '0', seconds = '0', peer = ''] = run.stdout.slice(at + MARK.length).split(' ');
  return {
    ok: run.code === 0 && Number(status) >= 200 && Number(status) < 300,
    status: Number(status),
    milliseconds: Number(seconds) * 1000,
    curl: run.code ?? -1,
    error: run.stderr.trim(),
    body: run.stdout.slice(0, Math.max(at, 0)),
    peer,
  };
}

/** The first request through a fresh mesh; the same as {@link request}, named for what it is asked for. */
export const firstRequest = request;
