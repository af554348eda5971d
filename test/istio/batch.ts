/** Requests one after the other, each with what the sidecars logged of it. */
import { setTimeout } from 'node:timers/promises';
import { until } from '../bed/shell';
import { comparable, readLog, type LogLine, type Logged } from './access-log';
import { MESH_PODS } from './pods';
import { NAME, SERVICE, curl, inside, type Answer, type PodName, type Pods, type Request } from './requests';

/** What is compared of one request. */
export interface Outcome extends Answer {
  /** What each sidecar logged, by the name of its pod. */
  readonly logs: Readonly<Partial<Record<PodName, readonly LogLine[]>>>;
}

export type Outcomes = ReadonlyMap<string, Outcome>;

let marks = 0;

/**
 * Sends requests one after the other. What a sidecar logs between the start of one and the start of the next belongs to
 * the first.
 */
export async function batch(pods: Pods, requests: readonly Request[], outcomes: Map<string, Outcome>): Promise<void> {
  const asked: { request: Request; from: number; answer: Answer }[] = [];
  for (const request of requests) {
    const from = Date.now();
    asked.push({ request, from, answer: await request.ask(pods) });
    await setTimeout(5);
  }
  const end = Date.now();
  const logs = await writtenLogs(pods);
  for (const [index, { request, from, answer }] of asked.entries()) {
    const to = asked[index + 1]?.from ?? end;
    const isOfIt = ({ at, line }: Logged): boolean =>
      request.path === undefined ? at >= from && at < to : line.path === request.path;
    const of = logs
      .map(([pod, logged]) => [pod, logged.filter(isOfIt).map(({ line }) => line)] as const)
      .filter(([, lines]) => lines.length > 0);
    const outcome: Outcome = { ...answer, logs: Object.fromEntries(of) };
    outcomes.set(request.name, JSON.parse(comparable(JSON.stringify(outcome))) as Outcome);
  }
}

/** Envoy writes its log now and then: all is there once the line of a last request is. */
async function writtenLogs(pods: Pods): Promise<(readonly [PodName, Logged[]])[]> {
  const mark = `/mark-${++marks}`;
  return Promise.all(
    MESH_PODS.map(async name => {
      await curl(inside(pods[name]), `http://${NAME}${mark}`, SERVICE);
      await until(`the last line of ${name}`, () => pods[name].output('istio-proxy').includes(mark));
      return [name, readLog(pods[name].output('istio-proxy'))] as const;
    }),
  );
}
