/** Images as `docker save` writes them, which `ctr images import` takes: no registry is needed. */
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sh } from '../bed/shell';

/** One image. */
export interface Image {
  readonly name: string;
  /** Tar files, the lowest first. */
  readonly layers: readonly string[];
  readonly workingDirectory?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What an image calls the machine, by Node.js' name of it. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** A layer of what is in a folder, owned by root. */
export function packLayer(folder: string, tar: string): string {
  sh('tar', ['-C', folder, '--owner=0', '--group=0', '--sort=name', '-cf', tar, '.']);
  return tar;
}

/** Writes one archive with all images; `folder` is for the files on the way. */
export async function writeArchive(images: readonly Image[], folder: string, archive: string): Promise<void> {
  mkdirSync(folder);
  const layers = [...new Set(images.flatMap(image => image.layers))];
  const digests = new Map(await Promise.all(layers.map(async tar => [tar, await digestOf(tar)] as const)));
  for (const tar of layers) symlinkSync(tar, join(folder, basename(tar)));
  const manifest = images.map(({ name, layers, workingDirectory = '/', command = [], environment = {} }) => {
    const config = JSON.stringify({
      architecture: ARCHITECTURES[process.arch],
      os: 'linux',
      config: {
        Cmd: command,
        WorkingDir: workingDirectory,
        Env: Object.entries({ PATH, ...environment }).map(entry => entry.join('=')),
      },
      rootfs: { type: 'layers', diff_ids: layers.map(tar => `sha256:${digests.get(tar)}`) },
    });
    const file = `${createHash('sha256').update(config).digest('hex')}.json`;
    writeFileSync(join(folder, file), config);
    return { Config: file, RepoTags: [name], Layers: layers.map(tar => basename(tar)) };
  });
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  sh('tar', ['-C', folder, '--dereference', '-cf', archive, '.']);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}
