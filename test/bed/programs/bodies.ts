import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file of random bytes. */
export interface Body {
  readonly bytes: number;
  readonly path: string;
  readonly sha256: string;
}

/** Writes a body into a folder. Random, so that nothing lost or moved looks as before. */
export function writeBody(folder: string, bytes: number): Body {
  const path = join(folder, `${bytes}`);
  const file = openSync(path, 'w', 0o644);
  const digest = createHash('sha256');
  const chunk = Buffer.alloc(1 << 20);
  try {
    for (let left = bytes; left > 0; left -= chunk.length) {
      const part = randomFillSync(chunk).subarray(0, left);
      digest.update(part);
      writeSync(file, part);
    }
  } finally {
    closeSync(file);
  }
  return { bytes, path, sha256: digest.digest('hex') };
}
