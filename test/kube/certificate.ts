import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ownedDirectory } from '../bed/owned';
import { execFileSync } from '../bed/children';

/** A key with a certificate for 127.0.0.1 that signs itself. Both in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Makes one; takes some 20 ms. */
export function selfSigned(): Certificate {
  const folder = ownedDirectory('cert');
  try {
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=merbridge-test',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
