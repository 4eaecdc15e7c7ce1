/**
 * The page's link to its node: one stream of events, one command at a time.
 *
 * The page holds no truth. It shows the last state that the node sent, and when
 * the node is silent for 15 seconds or the stream ends it says so and sends
 * nothing. A command whose answer never came is kept as "lost", with its id:
 * whoever stands at the till decides whether it is asked again, and then the
 * same id makes sure that it is done at most once. Nothing else is ever kept
 * for later.
 */

/** @typedef {import('./contract.js').State} State */
/** @typedef {import('./contract.js').Fault} Fault */
/** @typedef {import('./contract.js').Notice} Notice */
/** @typedef {import('./contract.js').Approval} Approval */
/** @typedef {{id: string, do: string, args: object, approval?: Approval}} Command */

/** How long the node may be silent. It speaks every 10 seconds. */
const silence = 15_000;
/** How long a command may take: printers are waited for elsewhere. */
const patience = 20_000;

/** The node said no, and why. */
export class Refusal extends Error {
  /** @param {Fault} fault */
  constructor(fault) {
    super(fault.text);
    this.fault = fault;
  }
}

/** No answer came: whether it was done is not known, or it was never sent. */
export class Lost extends Error {}

/** A UUIDv7 (RFC 9562, 5.7): 48 bits of time, then chance. */
export function newID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const time = Date.now().toString(16).padStart(12, '0');
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const tail = Array.from(bytes.slice(6), (b) => b.toString(16).padStart(2, '0')).join('');
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail.slice(0, 4)}-${tail.slice(4, 8)}-${tail.slice(8)}`;
}

/** The page that this is: SHA-256 over its files, in hex, as the program that served it says. */
const own = () => document.querySelector('meta[name="plomb-page"]')?.getAttribute('content') ?? '';

/** Whether a lost command may be handed to the page that comes: not one that holds a PIN. @param {Command} lost */
const mayHand = (lost) => !('pin' in lost.args);

/**
 * Hands a lost command on. An approval's PIN is left out: if the command was done,
 * its id brings the answer; if not, the node asks again.
 * @param {Command} lost
 */
const hand = ({ id, do: what, args }) => sessionStorage.setItem('lost', JSON.stringify({ id, do: what, args }));

/** @returns {Command|null} what the page before handed on */
function taken() {
  const lost = sessionStorage.getItem('lost');
  sessionStorage.removeItem('lost');
  return lost ? JSON.parse(lost) : null;
}

export class Node {
  constructor() {
    /** @type {State|null} */
    this.state = null;
    /** @type {"connecting"|"yes"|"no"} whether the node can be reached */
    this.reached = 'connecting';
    /** @type {Command|null} the one command whose answer is not known, also by the page before this one */
    this.lost = taken();
    /** commands on their way */
    this.busy = 0;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {(notice: Notice) => void} */
    this.onNotice = () => {};
    /** @type {Promise<unknown>} the end of the line of commands */
    this.line = Promise.resolve();
    /** @type {AbortController|null} */
    this.stream = null;
    this.pause = 250;
    /** how often a stream has begun: what was asked before a loss is asked again after it */
    this.streams = 0;
    /** @type {string} the page that the node serves now, if it is another than this one */
    this.newer = '';
    addEventListener('pagehide', () => this.lost && mayHand(this.lost) && hand(this.lost));
  }

  /** @param {() => void} listener @returns {() => void} */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  /** Listens for ever; comes back by itself after every loss. */
  async listen() {
    for (;;) {
      try {
        await this.follow();
      } catch {
        // The reason does not matter here: what matters is shown, and we try again.
      }
      if (this.stream?.signal.reason !== 'again') this.unreachable();
      await new Promise((done) => setTimeout(done, this.pause));
      this.pause = Math.min(this.pause * 2, 2000);
    }
  }

  unreachable() {
    this.reached = 'no';
    this.tell();
  }

  /** Opens the stream anew: the session changed, or the link is in doubt. */
  again() {
    this.pause = 10;
    this.stream?.abort('again');
  }

  async follow() {
    const stream = new AbortController();
    this.stream = stream;
    let watch = setTimeout(() => stream.abort('silent'), silence);
    try {
      const answer = await fetch('/api/events', { signal: stream.signal, headers: { Accept: 'text/event-stream' } });
      if (!answer.ok || !answer.body) throw new Lost(`events: ${answer.status}`);
      this.compare(answer.headers.get('Plomb-Page') ?? '');
      let fresh = true;
      for await (const event of events(answer.body)) {
        clearTimeout(watch);
        watch = setTimeout(() => stream.abort('silent'), silence);
        this.heard(event, fresh);
        if (event.event === 'state') fresh = false;
      }
    } finally {
      clearTimeout(watch);
      stream.abort(stream.signal.reason ?? 'ended');
    }
  }

  /** Another program may serve another page: then this one is stale. @param {string} served */
  compare(served) {
    this.newer = served && own() && served !== own() ? served : '';
    if (!this.newer) sessionStorage.removeItem('renewed');
    this.renew();
  }

  /**
   * Loads the page anew once nothing is on its way. What is on the screen is the
   * node's, and a command whose answer is missing is handed to the next page, so
   * nothing is lost. A page that comes back stale all the same sends nothing.
   */
  renew() {
    if (!this.newer || this.busy > 0 || this.stale() || (this.lost && !mayHand(this.lost))) return;
    sessionStorage.setItem('renewed', this.newer);
    location.reload();
  }

  /** The program serves another page, and loading anew brought this one again. */
  stale() {
    return this.newer !== '' && sessionStorage.getItem('renewed') === this.newer;
  }

  /** @param {{event: string, data: string}} event @param {boolean} fresh whether this stream brought no state yet */
  heard(event, fresh) {
    this.pause = 250;
    if (event.event === 'notice') this.onNotice(JSON.parse(event.data));
    if (event.event !== 'state') return;
    this.reached = 'yes';
    if (fresh) this.streams++;
    this.take(JSON.parse(event.data), fresh);
  }

  /** @param {State} state @param {boolean} anew a new stream: its version counts whatever it is */
  take(state, anew = false) {
    if (anew || !this.state || state.version >= this.state.version) this.state = state;
    this.tell();
  }

  /**
   * Sends one command after those before it, and gives the result.
   * @param {string} what
   * @param {object} [args]
   * @param {Approval} [approval]
   * @returns {Promise<any>}
   */
  command(what, args = {}, approval) {
    /** @type {Command} */
    const command = approval ? { id: newID(), do: what, args, approval } : { id: newID(), do: what, args };
    const turn = this.line.then(() => this.send(command));
    this.line = turn.catch(() => {});
    return turn;
  }

  /** @param {Command} command */
  async send(command) {
    if (this.reached !== 'yes' || (this.newer && this.lost?.id !== command.id)) throw new Lost('not sent');
    if (this.lost && this.lost.id !== command.id) throw new Lost('not sent');
    this.busy++;
    this.tell();
    try {
      const answer = await this.post('/api/command', command);
      if (this.lost?.id === command.id) this.lost = null;
      return answer.result ?? {};
    } catch (problem) {
      this.kept(command, problem);
      throw problem;
    } finally {
      this.busy--;
      this.tell();
      this.renew();
    }
  }

  /** @param {Command} command @param {unknown} problem */
  kept(command, problem) {
    if (problem instanceof Refusal) {
      if (this.lost?.id === command.id) this.lost = null;
      if (problem.fault.code === 'page-stale') this.again(); // the stream's head says which page it is now
      return;
    }
    this.lost = command;
    this.reached = 'no';
    this.stream?.abort('doubt');
  }

  /** Asks again for the lost command, with its old id. */
  repeat() {
    const lost = this.lost;
    return lost ? this.send(lost) : Promise.resolve({});
  }

  /** Lets the lost command be: what the node shows is what counts. */
  forget() {
    this.lost = null;
    this.tell();
    this.renew();
  }

  /**
   * @param {string} path
   * @param {object} body
   * @returns {Promise<any>}
   */
  async post(path, body) {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Plomb-Page': own() },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    }).catch((problem) => Promise.reject(new Lost(String(problem))));
    const said = await read(answer);
    if (said.state) this.take(said.state);
    return said;
  }

  /**
   * Asks a question: GET, and the answer's JSON.
   * @param {string} path
   * @param {Record<string, string|number|undefined>} [query]
   * @returns {Promise<any>}
   */
  async ask(path, query = {}) {
    const set = Object.entries(query).filter(([, v]) => v !== undefined && v !== '').map(([k, v]) => [k, String(v)]);
    const tail = set.length ? `?${new URLSearchParams(set)}` : '';
    const answer = await fetch(`/api/${path}${tail}`, { signal: AbortSignal.timeout(patience) })
      .catch((problem) => Promise.reject(new Lost(String(problem))));
    return read(answer);
  }

  /** Signs in or sets up: what changes the session opens a new stream. @param {string} path @param {object} body */
  async enter(path, body) {
    const said = await this.post(path, body);
    this.again();
    return said;
  }
}

/** @param {Response} answer @returns {Promise<any>} */
async function read(answer) {
  const said = await answer.json().catch(() => Promise.reject(new Lost(`answer: ${answer.status}`)));
  if (said.error) throw new Refusal(said.error);
  if (!answer.ok) throw new Lost(`answer: ${answer.status}`);
  return said;
}

/**
 * Server-sent events, comments too: those say that the node is there.
 * @param {ReadableStream<Uint8Array>} body
 */
async function* events(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += String(value).replaceAll('\r', '');
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) yield event(block);
  }
}

/** @param {string} block */
function event(block) {
  const found = { event: 'message', data: '' };
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) found.event = line.slice(6).trim();
    if (line.startsWith('data:')) found.data += line.slice(5).trim();
    if (line.startsWith(':')) found.event = 'comment';
  }
  return found;
}
