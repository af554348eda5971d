import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** An object of Kubernetes, as far as every one has it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Folder of the example that is deployed. */
export const DAEMONSET = join(__dirname, '..', '..', 'examples', 'daemonset');

/** The objects of one of its files. */
export function readManifests(file: string, edit = (text: string): string => text): Manifest[] {
  return parseAllDocuments(edit(readFileSync(resolve(DAEMONSET, file), 'utf8')), { merge: true }).map(document => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** All of them, by file; those that remove with what a person puts in. */
export const MANIFESTS: Readonly<Record<string, readonly Manifest[]>> = {
  'deploy/merbridge.yaml': readManifests('deploy/merbridge.yaml'),
  'remove/uninstall.yaml': readManifests('remove/uninstall.yaml', filledIn),
  'remove/uninstall-job.yaml': readManifests('remove/uninstall-job.yaml', filledIn),
};

/** What removes, with what its head tells a person to put in. */
export function filledIn(text: string): string {
  return text.replaceAll('NAME_OF_THE_AGENTS_DAEMONSET', 'merbridge-agent').replace(/\bNODE\b/g, 'worker-1');
}

/**
 * Files that kubectl takes for objects of the cluster, in the order in which it walks a folder; with `recursive` (`-R`)
 * those of the folders in it, too.
 */
export function walked(folder: string, recursive: boolean): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return recursive ? walked(path, true) : [];
    return /\.(json|yaml|yml)$/.test(entry.name) ? [path] : [];
  });
}

const PLURALS: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  DaemonSet: 'daemonsets',
  Job: 'jobs',
  Pod: 'pods',
};

/** Path of an object on an API server. */
export function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const plural = PLURALS[kind];
  if (plural === undefined) throw new Error(`the path of a ${kind} is not known here`);
  return `${group}${place}/${plural}/${metadata.name}`;
}

/** What is looked at of a container. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: {
    readonly runAsUser?: number;
    readonly runAsNonRoot?: boolean;
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

/** What is looked at of a pod's template. */
export interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly hostNetwork?: boolean;
    readonly hostPID?: boolean;
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
    readonly volumes: readonly { readonly name: string; readonly hostPath: { readonly path: string } }[];
  };
}

/** The template of a DaemonSet or Job. */
export function templateOf(manifest: Manifest): PodTemplate {
  return (manifest.spec as { template: PodTemplate }).template;
}

/** The one object of that kind in a file. */
export function only(file: string, kind: string): Manifest {
  const found = (MANIFESTS[file] ?? []).filter(manifest => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`${file} has ${found.length} objects of the kind ${kind}`);
  return found[0]!;
}

/** The capabilities that the agent is given, as the kernel and the errors name them: what the tests run it with. */
export function documentedCapabilities(): string[] {
  const [agent] = templateOf(only('deploy/merbridge.yaml', 'DaemonSet')).spec.containers;
  return (agent?.securityContext.capabilities.add ?? []).map(name => `CAP_${name}`).sort();
}
