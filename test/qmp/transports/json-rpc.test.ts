import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Broadcast } from '../../../qmp/session/wire.js';
import type { SessionTransport } from '../../../qmp/session.js';
import { JsonRpcSession, type RunCommand } from '../../../qmp/transports/json-rpc.js';
import { QemuError } from '../../../src/system/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/system/json.js';
import { eventually } from '../../support/deadline.js';

const test = suite('qmp/transports/json-rpc');

/** Some commands that exist: an echo, one that fails, one that takes its time. */
const commands: RunCommand = (name, args) => {
  switch (name) {
    case 'qom-get':
      throw new QemuError(`Device '${String(args.path)}' not found`, { errorClass: 'DeviceNotFound', hint: 'look' });
    case 'query-status':
      return new Promise((resolve) => setTimeout(() => resolve({ late: true }), 20));
    default:
      return args;
  }
};

class Client implements SessionTransport {
  readonly session: JsonRpcSession;
  readonly texts: string[] = [];
  ready = true;
  paused = false;

  constructor(run: RunCommand = commands) {
    this.session = new JsonRpcSession(run, this);
  }

  send(bytes: Uint8Array): boolean {
    this.texts.push(Buffer.from(bytes).toString('latin1'));
    return this.ready;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** Sends a message and waits for so many. */
  async ask(message: JsonValue | string, count = 1): Promise<JsonValue[]> {
    this.session.receive(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
    await eventually(
      `${count} answer(s) to ${JSON.stringify(message).slice(0, 200)}`,
      () => this.texts.length >= count,
      2000,
      2,
    );
    return this.texts.splice(0).map((text) => JSON.parse(text) as JsonValue);
  }
}

function call(method: JsonValue, id?: JsonValue, params?: JsonValue): JsonObject {
  return {
    jsonrpc: '2.0',
    method,
    ...(id === undefined ? {} : { id }),
    ...(params === undefined ? {} : { params }),
  };
}

function failure(id: JsonValue, code: number, message: string, data?: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}

test('a call is answered with its result under its id', async () => {
  const client = new Client();
  for (const id of ['one', 2, null, -3.5]) {
    assert.equal(await client.ask(call('getfd', id, { fdname: 'x' })), [
      { jsonrpc: '2.0', id, result: { fdname: 'x' } },
    ]);
  }
});

test('integers stay exact, in ids and in arguments', async () => {
  const client = new Client();
  client.session.receive(
    Buffer.from(
      '{"jsonrpc": "2.0", "id": 18446744073709551615, "method": "memsave", "params": {"val": 9007199254740993}}',
    ),
  );
  await eventually('an answer', () => client.texts.length > 0);
  assert.equal(client.texts, ['{"jsonrpc": "2.0", "id": 18446744073709551615, "result": {"val": 9007199254740993}}']);
});

test("errors carry QEMU's class and sentence", async () => {
  const client = new Client();
  assert.equal(await client.ask(call('qom-get', 1, { path: 'x' })), [
    failure(1, -32000, "Device 'x' not found", { class: 'DeviceNotFound', hint: 'look' }),
  ]);
  assert.equal(await client.ask(call('nonesuch', 2)), [
    failure(2, -32601, 'The command nonesuch has not been found', { class: 'CommandNotFound' }),
  ]);
  assert.equal(await client.ask(call('getfd', 3, ['x'])), [
    failure(3, -32602, 'Invalid params: arguments are given by name', { class: 'GenericError' }),
  ]);
});

test('what is no request is refused as the specification says', async () => {
  const client = new Client();
  const invalid = (id: JsonValue) => failure(id, -32600, 'Invalid Request');
  assert.equal(await client.ask('{"jsonrpc": "2.0", "method"').then(([reply]) => (reply as JsonObject).id), null);
  assert.match(JSON.stringify(await client.ask("{'jsonrpc': '2.0'}")), /"code":-32700/);
  assert.match(JSON.stringify(await client.ask('')), /"code":-32700/);
  assert.equal(await client.ask([]), [invalid(null)]);
  assert.equal(await client.ask(1), [invalid(null)]);
  assert.equal(await client.ask('null'), [invalid(null)]);
  assert.equal(await client.ask(call(1, 'a')), [invalid('a')]);
  assert.equal(await client.ask(call('getfd', { a: 1 })), [invalid(null)]);
  assert.equal(await client.ask(call('getfd', 5, 'x')), [invalid(5)]);
  assert.equal(await client.ask({ method: 'getfd', id: 6 }), [invalid(6)]);
  assert.equal(await client.ask([1, 2]), [[invalid(null), invalid(null)]]);
});

test('a notification has no answer', async () => {
  const client = new Client();
  client.session.receive(Buffer.from(JSON.stringify(call('qom-get', undefined, { path: 'x' }))));
  client.session.receive(Buffer.from(JSON.stringify([call('getfd'), call('nonesuch')])));
  assert.equal(await client.ask(call('getfd', 'after')), [{ jsonrpc: '2.0', id: 'after', result: {} }]);
});

test('a batch is answered with a batch, its commands run in order', async () => {
  const order: string[] = [];
  const client = new Client((name, args) => {
    order.push(name);
    return commands(name, args);
  });
  const [reply] = await client.ask([call('query-status', 1), call('getfd'), call('closefd', 2), 3]);
  assert.equal(order, ['query-status', 'getfd', 'closefd']);
  assert.equal(reply, [
    { jsonrpc: '2.0', id: 1, result: { late: true } },
    { jsonrpc: '2.0', id: 2, result: {} },
    failure(null, -32600, 'Invalid Request'),
  ]);
  assert.equal(await client.ask([call('getfd', 1)]), [[{ jsonrpc: '2.0', id: 1, result: {} }]]);
  const long = Array.from({ length: 101 }, (_, id) => call('getfd', id));
  assert.equal(await client.ask(long), [failure(null, -32600, 'Invalid Request: a batch has at most 100 requests')]);
});

test('messages are served one after the other, and input waits meanwhile', async () => {
  const client = new Client();
  client.session.receive(Buffer.from(JSON.stringify(call('query-status', 1))));
  assert.not(client.paused);
  client.session.receive(Buffer.from(JSON.stringify(call('getfd', 2))));
  assert.ok(client.paused);
  await eventually('both answers', () => client.texts.length === 2);
  assert.equal(
    client.texts.map((text) => (JSON.parse(text) as JsonObject).id),
    [1, 2],
  );
  assert.not(client.paused);
});

test('a client that is behind is not served until it has caught up', async () => {
  const client = new Client();
  client.ready = false;
  await client.ask(call('getfd', 1));
  client.session.receive(Buffer.from(JSON.stringify(call('getfd', 2))));
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(client.texts, []);
  assert.ok(client.paused);
  client.ready = true;
  client.session.drained();
  await eventually('the answer', () => client.texts.length === 1);
});

test('an event is a notification with data and timestamp', () => {
  const client = new Client();
  const timestamp = { seconds: 1, microseconds: 2 };
  client.session.sendEvent(new Broadcast({ timestamp, event: 'SHUTDOWN', data: { guest: true } }));
  client.session.sendEvent(new Broadcast({ timestamp, event: 'STOP' }));
  assert.equal(
    client.texts.map((text) => JSON.parse(text) as JsonValue),
    [
      { jsonrpc: '2.0', method: 'SHUTDOWN', params: { data: { guest: true }, timestamp } },
      { jsonrpc: '2.0', method: 'STOP', params: { data: {}, timestamp } },
    ],
  );
});

test('after its end a session says nothing and runs nothing more', async () => {
  const ran: string[] = [];
  const client = new Client((name) => {
    ran.push(name);
    return new Promise((resolve) => setTimeout(() => resolve({}), 10));
  });
  client.session.receive(Buffer.from(JSON.stringify([call('getfd', 1), call('closefd', 2)])));
  await eventually('the first command', () => ran.length === 1);
  client.session.close();
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.equal(ran, ['getfd']);
  assert.equal(client.texts, []);
});

/** The answers that a message must get by the specification: undefined for none. */
function wanted(message: JsonValue): number | undefined {
  const answers = (element: JsonValue): number => {
    if (!isJsonObject(element)) return 1;
    const valid = element.jsonrpc === '2.0' && typeof element.method === 'string' && element.result === undefined;
    return valid && element.error === undefined && element.id === undefined ? 0 : 1;
  };
  if (!Array.isArray(message)) return answers(message) === 0 ? undefined : 1;
  if (message.length === 0 || message.length > 100) return 1;
  return message.reduce((sum: number, element) => sum + answers(element), 0) === 0 ? undefined : 1;
}

test('whatever is sent gets one answer, or none where the specification wants none', async () => {
  const id = fc.oneof(fc.string(), fc.integer(), fc.constant(null));
  const method = fc.constantFrom('getfd', 'qom-get', 'query-status', 'nonesuch', '__proto__');
  const params = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()));
  const request = fc.record(
    { jsonrpc: fc.constant('2.0'), id, method, params },
    { requiredKeys: ['jsonrpc', 'method'] },
  );
  const damaged = fc.dictionary(fc.constantFrom('jsonrpc', 'id', 'method', 'params', 'error'), fc.jsonValue());
  const element = fc.oneof({ arbitrary: request, weight: 3 }, damaged, fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(fc.oneof(element, fc.array(element, { maxLength: 6 })), async (value) => {
      const message = JSON.parse(JSON.stringify(value)) as JsonValue;
      const client = new Client((name, args) => (name === 'query-status' ? {} : commands(name, args)));
      client.session.receive(Buffer.from(JSON.stringify(message)));
      client.session.receive(Buffer.from(JSON.stringify(call('getfd', 'last'))));
      await eventually(`the last answer`, () => client.texts.at(-1)?.includes('"id": "last"') === true, 2000, 1);
      const answers = client.texts.slice(0, -1).map((text) => JSON.parse(text) as JsonValue);
      const count = wanted(message);
      assert.ok(answers.length <= 1);
      if (count === 1) assert.is(answers.length, 1);
    }),
    { numRuns: 200 },
  );
});

test.run();
