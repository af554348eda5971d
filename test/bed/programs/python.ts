import { join } from 'node:path';
import { bodyServer } from './body-server';
import type { ClientProgram, ServerProgram } from './program';

/** The system's own: aiohttp is its package. */
const PYTHON = '/usr/bin/python3';

const server = (name: string, port: number, file: string): ServerProgram =>
  bodyServer(name, port, file, ({ apps }) => [PYTHON, join(apps, `${file}.py`)]);

const client = (name: string, file: string): ClientProgram => ({
  name,
  command: ({ apps }) => [PYTHON, join(apps, `${file}.py`)],
});

/** An event loop. */
export const aiohttp = server('aiohttp', 8003, 'aiohttp_server');
/** Blocking sockets, a thread for each. */
export const httpServer = server('http.server', 8004, 'http_server');

export const aiohttpClient = client('aiohttp', 'aiohttp_client');
/** A blocking socket that sends a body in one call, then reads. */
export const httpClient = client('http.client', 'http_client');
