/** Containers of a Pod as the API server has them, as far as a kubelet reads them here. */
export interface Container {
  readonly name: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvironmentVariable[];
  readonly restartPolicy?: string;
  readonly startupProbe?: object;
  readonly securityContext?: { readonly runAsUser?: number };
  readonly lifecycle?: { readonly postStart?: { readonly exec?: { readonly command: readonly string[] } } };
}

interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly resourceFieldRef?: { readonly resource: string };
  };
}

/** Of a small machine: what limits would be where a container has none. */
const RESOURCES: Readonly<Record<string, string>> = { 'limits.cpu': '2', 'limits.memory': '1073741824' };

/** The environment of a container; `fields` are those of its Pod. */
export function environmentOf(
  container: Container,
  fields: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const { fieldRef, resourceFieldRef } = valueFrom ?? {};
    if (fieldRef && fields[fieldRef.fieldPath] === undefined) throw new Error(`${name}: no ${fieldRef.fieldPath} here`);
    environment[name] =
      (fieldRef && fields[fieldRef.fieldPath]) ??
      (resourceFieldRef && RESOURCES[resourceFieldRef.resource]) ??
      value ??
      '';
  }
  return environment;
}

/** Arguments with the variables that they name. */
export function expanded(args: readonly string[], environment: Readonly<Record<string, string>>): string[] {
  return args.map(arg => arg.replace(/\$\((\w+)\)/g, (whole, name: string) => environment[name] ?? whole));
}
