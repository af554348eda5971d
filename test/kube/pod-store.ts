/** Pods with versions, as etcd and the watch cache keep them. */
import { randomUUID } from 'node:crypto';

/** As much of a pod as the store looks at. */
export interface StoredPod {
  metadata: { name: string; namespace: string; uid: string; resourceVersion: string; [other: string]: unknown };
  spec: { nodeName?: string; [other: string]: unknown };
  status: { phase?: string; [other: string]: unknown };
  [other: string]: unknown;
}

/** One change. */
export interface StoredEvent {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly pod: StoredPod;
}

/** A refusal with the status that the server answers. */
export class StoreError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

type Body = Partial<Record<keyof StoredPod, unknown>>;

/** Keeps all versions until it is told to forget. */
export class PodStore {
  readonly #pods = new Map<string, StoredPod>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  #events: StoredEvent[] = [];
  #version = 100;
  /** Nothing is known of changes up to this version. */
  #compacted = 100;

  get version(): number {
    return this.#version;
  }

  /** Forgets how things came to be: whoever asks for an earlier version than now is told 410. */
  compact(): void {
    this.#events = [];
    this.#compacted = this.#version;
  }

  /** In the order of their names, as etcd has them. */
  list(): StoredPod[] {
    return [...this.#pods].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pod]) => pod);
  }

  /** All changes after a version, and `listener` for all that follow. Throws 410 if they are forgotten. */
  watch(version: number, listener: (event: StoredEvent) => void): { past: StoredEvent[]; stop: () => void } {
    if (version < this.#compacted)
      throw new StoreError(410, 'Expired', `too old resource version: ${version} (${this.#compacted})`);
    this.#listeners.add(listener);
    return {
      past: this.#events.filter(event => event.version > version),
      stop: () => this.#listeners.delete(listener),
    };
  }

  /** Whether a continued list of that version can still be answered. */
  knows(version: number): boolean {
    return version >= this.#compacted;
  }

  create(namespace: string, body: Body): StoredPod {
    const metadata = body.metadata as Record<string, unknown>;
    const key = `${namespace}/${String(metadata.name)}`;
    if (this.#pods.has(key))
      throw new StoreError(409, 'AlreadyExists', `pods "${String(metadata.name)}" already exists`);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      ...body,
      metadata: {
        ...metadata,
        namespace,
        uid: randomUUID(),
        creationTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
      },
      status: { phase: 'Pending' },
    } as unknown as StoredPod;
    return this.#write(key, 'ADDED', pod);
  }

  get(namespace: string, name: string): StoredPod {
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (pod === undefined) throw new StoreError(404, 'NotFound', `pods "${name}" not found`);
    return pod;
  }

  /** A merge patch (RFC 7386) of the part that a path is about. */
  patch(namespace: string, name: string, patch: Body, part: 'status' | 'rest'): StoredPod {
    const before = this.get(namespace, name);
    const merged = merge(before, patch) as StoredPod;
    const pod = part === 'status' ? { ...before, status: merged.status } : { ...merged, status: before.status };
    return this.#write(`${namespace}/${name}`, 'MODIFIED', {
      ...pod,
      metadata: { ...pod.metadata, uid: before.metadata.uid },
    });
  }

  delete(namespace: string, name: string): StoredPod {
    const pod = this.get(namespace, name);
    this.#pods.delete(`${namespace}/${name}`);
    return this.#tell('DELETED', pod);
  }

  #write(key: string, type: 'ADDED' | 'MODIFIED', pod: StoredPod): StoredPod {
    const written = this.#tell(type, pod);
    this.#pods.set(key, written);
    return written;
  }

  #tell(type: StoredEvent['type'], pod: StoredPod): StoredPod {
    const version = ++this.#version;
    const written = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(version) } };
    const event = { version, type, pod: written };
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
    return written;
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(typeof target === 'object' && target !== null ? target : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
