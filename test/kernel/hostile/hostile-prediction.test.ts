/**
 * Initial sequence numbers are no secret between neighbours of one node: the kernel's hash of a quadruple can be
 * learned in a network namespace of one's own, and the time of a dial may be known or provoked. So a pod that foretells
 * the number of a client's next connection must not decide where it goes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  APPLICATION_UID,
  Bed,
  SIDECAR_UID,
  applyIstioRules,
  enterMesh,
  predict,
  startSecretServer,
  startSidecar,
} from '../../bed';

const PORT = 8080;
const FORGED_PORT = 9090;
/** So many numbers have to be foretold; a dial may be late by more than the guesses cover, so more are tried. */
const FORETOLD = 3;
const MOST_ROUNDS = 30;
/** Fewer than pair_original_dst has room for: 0.8 ms of dials. */
const GUESSES = 12_000;
/** What the attacker needs until all guesses are made. */
const AHEAD_MS = 1000;

test(
  'dials with the foretold sequence number of another pod do not decide where its connection goes',
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 80 });
    const [server, neighbour] = [bed.pod('server'), bed.pod('neighbour')];
    await using _mesh = await enterMesh(bed, 'off');
    applyIstioRules(server);
    const [client, stranger] = [bed.pod('client'), bed.pod('stranger')];
    await startSecretServer(server, PORT);
    await startSecretServer(server, FORGED_PORT, { word: 'elsewhere' });
    await startSidecar(server, { kind: 'haproxy', mode: 'tcp', log: false });

    const answers: string[] = [];
    let foretold = 0;
    for (let port = 41_000; foretold < FORETOLD && port < 41_000 + MOST_ROUNDS; port++) {
      const own = { pod: stranger, privilege: 'ownNamespace' } as const;
      const { hash } = await predict<{ hash: number }>({ ...own, uid: APPLICATION_UID }, 'learn', [
        client.address,
        server.address,
        PORT,
        port,
      ]);
      const at = BigInt(Date.now() + AHEAD_MS) * 1_000_000n;
      const [{ dials }, { answer, sequence }] = await Promise.all([
        predict<{ dials: number }>({ ...own, uid: SIDECAR_UID }, 'write', [
          client.address,
          neighbour.address,
          server.address,
          FORGED_PORT,
          port,
          hash,
          at,
          GUESSES,
        ]),
        predict<{ answer: string; sequence: number }>(
          { pod: client, uid: APPLICATION_UID, privilege: 'netAdmin' },
          'dial',
          [server.address, PORT, port, at],
        ),
      ]);
      assert.equal(dials, GUESSES);
      if (BigInt.asUintN(32, BigInt(sequence) - BigInt(hash) - (at >> 6n)) < BigInt(GUESSES)) foretold++;
      answers.push(answer.split(' ')[0] ?? '');
    }
    t.diagnostic(`foretold in ${foretold} of ${answers.length} rounds; answers: ${answers.join(', ')}`);
    assert.ok(foretold > 0, 'no sequence number was among those that were dialled with');
    assert.deepEqual(
      answers,
      answers.map(() => 'answer'),
    );
  },
);
