// One end of one stream: sends its messages, checks what comes, and says how it went.
import { Checker, MAX_PIECE, piece } from './ramp.mjs';

/** The stream ended, one way or the other, before the plan was through. */
export class Ended extends Error {}

export class Wire {
  /** `hung`: nothing moved for the time limit. `error`: what ended it, if that was one. */
  hung = false;
  error = null;
  #socket;
  #send;
  #receive;
  #checker;
  #sent = 0;
  #ended = false;
  #deaf = false;
  #waiters = [];

  /**
   * `send`, `receive`: the two directions of a plan, from this end. `limitMs`: without any progress for so long, a
   * stream has hung.
   */
  constructor(socket, send, receive, limitMs) {
    this.#socket = socket;
    this.#send = send;
    this.#receive = receive;
    this.#checker = new Checker(receive.start, receive.total);
    socket.setNoDelay?.(true);
    socket.setTimeout(limitMs, () => {
      this.hung = true;
      this.#end();
    });
    socket.on('error', error => {
      this.error = error.code ?? error.message;
      this.#end();
    });
    for (const event of ['end', 'close']) socket.on(event, () => this.#end());
    for (const event of ['drain', 'finish']) socket.on(event, () => this.#wake());
    socket.on('data', chunk => this.take(chunk));
    if (!this.#stallAt(0)) socket.resume();
  }

  /**
   * Sends the next message of the plan, which is one write if it is not longer than 1 MB; waits while the socket is
   * full.
   */
  async message(index) {
    const { start, sizes, pauses } = this.#send;
    for (let left = sizes[index]; left > 0;) {
      if (this.#dead() || this.#socket.writableEnded) throw new Ended();
      const length = Math.min(left, MAX_PIECE);
      const room = this.#socket.write(piece(start, this.#sent, length));
      this.#sent += length;
      left -= length;
      if (!room)
        await this.#until(
          () => !this.#socket.writableNeedDrain,
          () => this.#dead(),
        );
    }
    if (pauses) await new Promise(resolve => setTimeout(resolve, pauses[index]));
  }

  async all() {
    for (let index = 0; index < this.#send.sizes.length; index++) await this.message(index);
  }

  /** Sends so much of the plan and no more, for who ends badly. */
  async some(bytes) {
    for (let index = 0; index < this.#send.sizes.length && this.#sent < bytes; index++) await this.message(index);
  }

  finish() {
    this.#socket.end();
  }

  /** Until so many bytes are there. */
  async arrived(bytes) {
    await this.#until(
      () => this.#checker.bytes >= bytes,
      () => this.#ended,
    );
  }

  /** Until the other end has said that nothing more comes. */
  async end() {
    await this.#until(
      () => this.#ended,
      () => false,
    );
  }

  /** Stops reading, for good. */
  deaf() {
    this.#deaf = true;
    this.#socket.pause();
  }

  close() {
    this.#socket.destroy();
  }

  reset() {
    this.#socket.resetAndDestroy();
  }

  /** Closes when all that was written has left this process. */
  async closeAfterWriting() {
    this.#socket.end();
    await this.#until(
      () => this.#socket.writableFinished || this.#dead(),
      () => false,
    );
    this.#socket.destroy();
  }

  /** How it went, for this end: a kind of damage or null, and what there is to say of it. */
  result(whole) {
    const { bytes, wrongAt } = this.#checker;
    let damage = this.#checker.verdict(whole);
    if (!damage && whole && this.error) damage = 'lost'; // an end that was to be good
    if (this.hung && (damage === null || damage === 'lost')) damage = 'hung';
    return { damage, arrived: bytes, of: this.#receive.total, wrongAt, sent: this.#sent, error: this.error };
  }

  take(chunk) {
    const before = this.#checker.bytes;
    this.#checker.take(chunk);
    this.#stallAt(before + 1);
    this.#wake();
  }

  /** A reader that stays away for a while, once the byte was passed. */
  #stallAt(from) {
    const { stallAt, stallMs } = this.#receive;
    if (stallAt < 0 || stallAt < from || stallAt > this.#checker.bytes) return false;
    this.#socket.pause();
    setTimeout(() => this.#deaf || this.#socket.resume(), stallMs);
    return true;
  }

  #dead() {
    return this.hung || this.error !== null || this.#socket.destroyed;
  }

  async #until(condition, isVain) {
    while (!condition()) {
      if (isVain()) throw new Ended();
      await new Promise(resolve => this.#waiters.push(resolve));
    }
  }

  #end() {
    this.#ended = true;
    this.#wake();
  }

  #wake() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
