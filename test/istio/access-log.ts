/** What sidecars log of requests, as installation.yaml asks for it. */

/** One line: fields by name, `null` where Envoy has none. */
export type LogLine = Readonly<Record<string, string | number | null>>;

export interface Logged {
  readonly at: number;
  readonly line: LogLine;
}

/** The lines of a sidecar's output; what pilot-agent itself prints is left out. */
export function readLog(output: string): Logged[] {
  return output
    .split('\n')
    .filter(line => line.startsWith('{') && line.endsWith('}'))
    .map(line => JSON.parse(line) as LogLine & { start?: string })
    .filter(({ start }) => start !== undefined)
    .map(({ start, ...line }) => ({ at: Date.parse(start!), line }));
}

/** Without what differs from run to run: ephemeral ports, hashes of certificates. */
export function comparable(text: string): string {
  return text
    .replace(/((?:\d{1,3}\.){3}\d{1,3}):(\d+)/g, (whole, address: string, port: string) =>
      Number(port) >= 32768 ? `${address}:PORT` : whole,
    )
    .replace(/Hash=[0-9a-f]+/g, 'Hash=HASH');
}
