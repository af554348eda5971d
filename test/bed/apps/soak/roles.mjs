// What each end does in each kind of stream (plan.mjs says what the kinds are).
import { Ended, Wire } from './wire.mjs';

const client = {
  async request(wire) {
    await wire.all();
    wire.finish();
    await wire.end();
  },
  async push(wire) {
    await wire.end();
    wire.finish();
  },
  async exchange(wire, plan) {
    let expected = 0;
    for (let index = 0; index < plan.up.sizes.length; index++) {
      await wire.message(index);
      expected += plan.down.sizes[index];
      await wire.arrived(expected);
    }
    wire.finish();
    await wire.end();
  },
  async duplex(wire, plan) {
    await Promise.all([wire.all(), wire.arrived(plan.down.total)]);
    wire.finish();
    await wire.end();
  },
  async half(wire) {
    await wire.all();
    wire.finish();
    await wire.end();
  },
  async oneway(wire) {
    await wire.all();
    await wire.closeAfterWriting();
  },
};

const server = {
  async request(wire) {
    await wire.end();
    await wire.all();
    wire.finish();
  },
  async push(wire) {
    await wire.all();
    wire.finish();
    await wire.end();
  },
  async exchange(wire, plan) {
    let expected = 0;
    for (let index = 0; index < plan.up.sizes.length; index++) {
      expected += plan.up.sizes[index];
      await wire.arrived(expected);
      await wire.message(index);
    }
    await wire.end();
    wire.finish();
  },
  async duplex(wire) {
    await wire.all();
    await wire.end();
    wire.finish();
  },
  half: client.half,
  async oneway(wire) {
    await wire.end();
    wire.finish();
  },
};

/**
 * The end that ends badly, and the one that it is done to: any order of events is right there, but an end must come.
 */
const breaks = {
  async unread(wire, plan, send, receive) {
    const sending = wire.all();
    sending.catch(() => {}); // it is cut off below
    await wire.arrived(Math.floor(receive.total * plan.breaker.after));
    wire.deaf();
    await new Promise(resolve => setTimeout(resolve, 10)); // for more to come
    wire.close();
  },
  async reset(wire, plan, send) {
    await wire.some(Math.floor(send.total * plan.breaker.after));
    wire.reset();
  },
  async abandon(wire, plan, send) {
    await wire.some(Math.floor(send.total * plan.breaker.after));
    wire.close();
  },
};

async function suffers(wire) {
  await Promise.all([wire.all(), wire.end()]);
}

/** Runs one end of a stream to its end. `rest`: bytes that came behind the header. */
export async function run(socket, plan, role, limitMs, rest) {
  const [send, receive] = role === 'client' ? [plan.up, plan.down] : [plan.down, plan.up];
  const wire = new Wire(socket, send, receive, limitMs);
  if (rest?.length > 0) wire.take(rest);
  try {
    if (!plan.breaker) await (role === 'client' ? client : server)[plan.kind](wire, plan);
    else if (plan.breaker.client === (role === 'client')) await breaks[plan.kind](wire, plan, send, receive);
    else await suffers(wire);
    await wire.closeAfterWriting();
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    wire.close();
  }
  return {
    ...wire.result(plan.whole),
    kind: plan.kind,
    doomed: plan.id.doomed,
    family: plan.id.family,
    index: plan.id.index,
    role,
  };
}
