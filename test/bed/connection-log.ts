/** One request or stream as a sidecar saw it. */
export interface Connection {
  readonly side: 'outbound' | 'inbound';
  /** The original destination, `address:port`. */
  readonly destination: string;
  /** Who connected to the sidecar, `address:port`. */
  readonly client: string;
  /** Where the sidecar connected to, `address:port`, or `-`. */
  readonly upstream: string;
  /** HTTP status; 0 for a stream. */
  readonly status: number;
  /**
   * How it ended, in the proxy's own letters: Envoy's response flags, HAProxy's termination state. Dashes if it ended
   * well.
   */
  readonly ended: string;
}

/** Both proxies write this line, so one parser serves both. */
export function logLine(
  side: string,
  destination: string,
  client: string,
  upstream: string,
  status: string,
  ended: string,
): string {
  return `mesh ${side} destination=${destination} client=${client} upstream=${upstream} status=${status} ended=${ended}`;
}

const LINE = /^mesh (outbound|inbound) destination=(\S+) client=(\S+) upstream=(\S+) status=(\S+) ended=(\S+)$/gm;

export function parseLog(text: string): Connection[] {
  return [...text.matchAll(LINE)].map(([, side, destination, client, upstream, status, ended]) => ({
    side: side as Connection['side'],
    destination: plain(destination ?? ''),
    client: plain(client ?? ''),
    upstream: plain(upstream ?? ''),
    status: Number(status) || 0,
    ended: ended ?? '',
  }));
}

/**
 * One spelling of an address whatever the socket's family: `::ffff:10.0.0.1:80` and `[::ffff:10.0.0.1]:80` are IPv4.
 */
function plain(address: string): string {
  return address.replace(/^\[?::ffff:(\d+\.\d+\.\d+\.\d+)\]?(?=:)/i, '$1');
}
