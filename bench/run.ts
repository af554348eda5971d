import { APPLICATION_UID, type Pod } from '../test/bed';

/** What a program of an application printed that runs for some seconds. */
export async function run(pod: Pod, command: string, args: readonly string[], seconds: number): Promise<string> {
  const { code, signal, stdout, stderr } = await pod.run(command, args, {
    uid: APPLICATION_UID,
    timeoutMs: (seconds + 15) * 1000,
  });
  if (code !== 0) throw new Error(`${command} in pod ${pod.name} failed (${code ?? signal}): ${stderr}${stdout}`);
  return stdout;
}
