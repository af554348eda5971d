import { KubernetesError } from '../errors';

const NEWLINE = 0x0a;

/**
 * Splits a stream of bytes into lines. It works on bytes, so a character that is split between two chunks stays intact.
 *
 * @internal
 * @throws KubernetesError (`ERR_KUBERNETES_PROTOCOL` if a line is longer than `maxBytes`, `ERR_KUBERNETES_UNAVAILABLE`
 * if the last line has no end)
 */
export async function* lines(pieces: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string, void> {
  let begun: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      begun.push(piece.subarray(start, end));
      const line = begun.length === 1 ? begun[0]!.toString('utf8') : Buffer.concat(begun).toString('utf8');
      begun = [];
      size = 0;
      start = end + 1;
      if (line.length > maxBytes) throw tooLong(maxBytes);
      if (line.trim() !== '') yield line;
    }
    if (start === piece.length) continue;
    begun.push(piece.subarray(start));
    size += piece.length - start;
    if (size > maxBytes) throw tooLong(maxBytes);
  }
  if (size > 0) throw new KubernetesError('ERR_KUBERNETES_UNAVAILABLE', 'the watch ended in the middle of a line');
}

function tooLong(maxBytes: number): KubernetesError {
  return new KubernetesError('ERR_KUBERNETES_PROTOCOL', `an object of more than ${maxBytes} bytes`);
}
