import { chownSync, mkdirSync } from 'node:fs';
import { APPLICATION_UID } from '../web-server';

/** Makes a folder for what an application writes, and returns its path. */
export function applicationFolder(path: string): string {
  mkdirSync(path);
  chownSync(path, APPLICATION_UID, APPLICATION_UID);
  return path;
}
