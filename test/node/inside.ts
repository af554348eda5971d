/** The test itself, in namespaces of its own: see index.ts. */
import { mountNode } from './mounts';
import { Node, type NodePlan } from './node';
import { Report } from './report';
import type { Hierarchy } from './cgroups';
import { runSteps } from './steps';

/** What index.ts hands over. */
export interface InsidePlan extends NodePlan {
  /** As they were mounted outside. */
  readonly hierarchies: readonly Hierarchy[];
  readonly began: number;
}

async function main(plan: InsidePlan): Promise<void> {
  if (process.ppid !== 1) throw new Error('run it by scripts/node.sh, in namespaces of its own');
  mountNode(plan.directory, plan.hierarchies);
  const report = new Report(plan.began);
  const node = await Node.start(plan, report.done);
  await runSteps(node, report);
}

main(JSON.parse(process.argv[2] ?? '{}') as InsidePlan).then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
