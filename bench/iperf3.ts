import { APPLICATION_UID, startService, type Pod, type Service } from '../test/bed';
import { run } from './run';

const PORT = 5201;

/** A server for {@link gigabits}, as an application of a pod. */
export function startIperf3(pod: Pod): Promise<Service> {
  return startService(pod, {
    name: 'iperf3',
    command: 'iperf3',
    args: ['-s', '-p', `${PORT}`],
    uid: APPLICATION_UID,
    ports: [PORT],
  });
}

/** What a reader receives of so many streams together in Gbit/s. */
export async function gigabits(client: Pod, server: Pod, streams: number, seconds: number): Promise<number> {
  const text = await run(
    client,
    'iperf3',
    ['-c', server.address, '-p', `${PORT}`, '-t', `${seconds}`, '-P', `${streams}`, '-J'],
    seconds,
  );
  const { end } = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e9;
}
