/**
 * A program that says that it is done and then waits for the answer gets it, whoever has sent what before:
 * docs/hazards.md.
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { SLOWNESS, Worlds, say } from '../../bed';

const WORLDS = ['plain', 'proxies', 'full'] as const;
const ROUNDS = 3;

let worlds: Worlds;
before(async () => {
  worlds = await Worlds.create(107);
});
after(() => worlds[Symbol.asyncDispose]());

for (const [name, clientSends, serverSends] of [
  ['nothing was sent', false, false],
  ['the client has sent', true, false],
  ['the server has sent', false, true],
  ['both have sent', true, true],
] as const) {
  test(
    `a recv(2) after shutdown(SHUT_WR) waits for the answer when ${name}`,
    { timeout: 120_000 * SLOWNESS },
    async () => {
      for (const waits of ['client', 'server'] as const) {
        for (let round = 0; round < ROUNDS; round++) {
          const seen = await worlds.observe(WORLDS, async ends => {
            if (clientSends) await say(ends.client, ends.server, 'hello');
            if (serverSends) await say(ends.server, ends.client, 'welcome');
            // HAProxy gives up where a client half-closes with nothing sent before its own connection to the server is
            // through (CC in its log).
            if (!clientSends && !serverSends) await setTimeout(250 * SLOWNESS);
            const [one, other] = waits === 'client' ? [ends.client, ends.server] : [ends.server, ends.client];
            const answer = one.start('half_close_and_recv', 64);
            assert.equal(await other.get('recv', 1), '', 'the end of the stream');
            await setTimeout(20); // the acknowledgement of the end comes before the answer
            await other.get('send', 'answer');
            return answer;
          });
          const right = { value: 'answer' };
          assert.deepEqual(seen, { plain: right, proxies: right, full: right }, `the ${waits} waits, round ${round}`);
        }
      }
    },
  );
}
