import type { MeshAccelerator as Accelerator, PodRules, istioPodRules as IstioPodRules } from 'merbridge';
import { Bed } from '../bed';
import { type Dialled, startListener } from '../dial';
import { Dialler } from '../dialler';
import { replaceIstioRules } from '../istio-rules';
import { enterMesh } from '../modes';
import type { Pod } from '../pod';
import { SIDECAR_UID } from '../sidecar';
import {
  FOREIGN,
  LISTENING,
  OTHER,
  OWN,
  SIDECAR_PORTS,
  STRANGER,
  SUBNET,
  USERS,
  annotationsOf,
  destinationOf,
  type RuleCase,
  type RuleRound,
} from './cases';
import { ruleHits, type DecidingRule } from './hits';

/** What istio-cni adds to every list of excluded inbound ports, and the injector likewise. */
const ALWAYS_EXCLUDED = [15020, 15021, 15090];

/** Imported where it is used: under iptables nothing of it is needed. */
interface Library {
  readonly mesh: Accelerator;
  readonly istioPodRules: typeof IstioPodRules;
}

/** Where a connection arrived and what both ends say of it. */
export interface Outcome {
  /** `pod:port` of the listener that accepted it. */
  readonly reached?: string;
  readonly error?: string;
  /** SO_ORIGINAL_DST where it was accepted. */
  readonly original?: string;
  /** The one who dialled, as the accepting side sees it; its port is left out. */
  readonly client?: string;
  /** getpeername and, without its port, getsockname where it was dialled. */
  readonly peer?: string;
  readonly local?: string;
}

/**
 * What brings the pods of a {@link RuleNode} into their mesh: Istio's rules, the library, or the library beside these
 * rules.
 */
export type RuledBy = 'iptables' | 'library' | 'both';
export const RULED_BY: readonly RuledBy[] = ['iptables', 'library', 'both'];

/**
 * A node with the pods `own`, which dials, and `other`, and with addresses that are no pod of a mesh: under Istio's
 * rules in iptables, under the library's, or under both.
 *
 * The addresses are the same in every one: each node is a network of its own.
 */
export class RuleNode {
  readonly #bed: Bed;
  readonly #own: Pod;
  readonly #other: Pod;
  readonly #library: Library | undefined;
  readonly #by: RuledBy;
  readonly #diallers = new Map<string, Dialler>();

  static async start(by: RuledBy): Promise<RuleNode> {
    const bed = Bed.create({ subnet: SUBNET });
    let library: Library | undefined;
    try {
      const [own, other] = [bed.pod('own'), bed.pod('other')];
      // The rules themselves come with each round.
      library = by === 'iptables' ? undefined : { ...(await import('merbridge')), mesh: await enterMesh(bed, 'full') };
      const stranger = bed.pod('stranger');
      if (own.address !== OWN || other.address !== OTHER || stranger.address !== STRANGER)
        throw new Error('the bed gives other addresses');
      for (const address of FOREIGN) {
        stranger.admin('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
        own.admin('ip', ['route', 'add', `${address}/32`, 'via', STRANGER]);
      }
      for (const pod of bed.pods) {
        const host = pod === other ? '::' : '0.0.0.0'; // as a JVM listens
        await startListener(pod, [...SIDECAR_PORTS, ...LISTENING], SIDECAR_UID, host);
      }
      return new RuleNode(bed, own, other, library, by);
    } catch (error) {
      await library?.mesh.close();
      bed.close();
      throw error;
    }
  }

  private constructor(bed: Bed, own: Pod, other: Pod, library: Library | undefined, by: RuledBy) {
    this.#bed = bed;
    this.#own = own;
    this.#other = other;
    this.#library = library;
    this.#by = by;
    for (const [user, who] of Object.entries(USERS)) this.#diallers.set(user, new Dialler(own, who));
  }

  /** Gives both pods their rules, then makes the connections; the outcomes are in their order. */
  async play({ own, other, space, cases }: RuleRound): Promise<Outcome[]> {
    this.#apply(
      [
        [this.#own, own],
        [this.#other, other],
      ],
      space,
    );
    const outcomes: Outcome[] = [];
    await Promise.all(
      [...this.#diallers].map(async ([user, dialler]) => {
        const indices = [...cases.keys()].filter(index => cases[index]?.user === user);
        const results = await dialler.dial(indices.map(index => destinationOf(cases[index] as RuleCase)));
        for (const [at, index] of indices.entries()) outcomes[index] = outcomeOf(results[at]!);
      }),
    );
    return outcomes;
  }

  /** Under iptables: how many connections each rule of both pods decided in this round. */
  hits(): [DecidingRule, number][] {
    return [...ruleHits(this.#own), ...ruleHits(this.#other)];
  }

  #apply(pods: readonly (readonly [Pod, PodRules])[], space: string | undefined): void {
    if (this.#library) {
      const { mesh, istioPodRules } = this.#library;
      const asGiven = (rules: PodRules): PodRules =>
        space === undefined ? rules : istioPodRules(annotationsOf(rules, space));
      mesh.localPodIps.setMany(pods.map(([{ address }, rules]) => [address, { rules: asGiven(rules) }]));
    }
    if (this.#by !== 'library') {
      for (const [pod, { excludeInboundPorts = [], ...rules }] of pods)
        replaceIstioRules(pod, { ...rules, excludeInboundPorts: [...excludeInboundPorts, ...ALWAYS_EXCLUDED] });
    }
  }

  /** Removes it and returns what is left of it, which should be nothing. */
  async close(): Promise<string[]> {
    for (const dialler of this.#diallers.values()) dialler[Symbol.dispose]();
    await this.#library?.mesh.close();
    this.#bed.close();
    return this.#bed.leftovers();
  }
}

const host = (endpoint: string): string => endpoint.replace(/:\d+$/, '');

/**
 * Without connection tracking an accepted socket has no original destination where nothing was redirected; with it that
 * is where it arrived.
 */
function outcomeOf({ error, answer, peer = '', local = '' }: Dialled): Outcome {
  if (error !== undefined || !answer) return { error: error ?? 'no answer' };
  return {
    reached: `${answer.name}:${answer.port}`,
    original: /:\d+$/.test(answer.original) ? answer.original : answer.local,
    client: host(answer.client),
    peer,
    local: host(local),
  };
}
