import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoEif } from '../support/boot-files.js';
import { deadline, eventually } from '../support/deadline.js';
import { EnclaveProcess } from '../support/enclave-process.js';

const test = suite('nitro-enclave: as many vsock connections as Linux in an enclave serves');

const ECHO_PORT = 5006;
const CONNECTIONS = 1000;
/** docs/vsock.md */
const LIMIT = 1023;
const WAIT_MS = 120_000;

/** A connection to the echo of the demonstration enclave. */
class Echo {
  readonly socket: Socket;
  received = '';
  ended = false;

  constructor(path: string) {
    this.socket = createConnection({ path });
    this.socket.setEncoding('latin1').on('data', (piece: string) => {
      this.received += piece;
    });
    this.socket
      .on('error', () => {})
      .on('close', () => {
        this.ended = true;
      });
    this.socket.write(`CONNECT ${ECHO_PORT}\n`);
  }

  get open(): boolean {
    return /^OK \d+\n/.test(this.received);
  }

  get echoed(): string {
    return this.received.slice(this.received.indexOf('\n') + 1);
  }
}

test('1,000 at once are all served while one does not read; those beyond the limit are refused', async () => {
  const machine = new EnclaveProcess({
    program: { image: demoEif },
    accel: 'tcg',
    machine: 'vsock-uds=DIR/vsock',
    args: ['-m', '256M'],
  });
  const path = join(machine.dir, 'vsock');
  const clients: Echo[] = [];
  const connect = (count: number) => {
    const more = Array.from({ length: count }, () => new Echo(path));
    clients.push(...more);
    return more;
  };
  try {
    await machine.says('enclave: ready', WAIT_MS);
    const many = connect(CONNECTIONS);
    await eventually('all connections', () => many.every(({ open }) => open), WAIT_MS);
    const [stuck] = connect(1);
    await eventually('the stuck one', () => stuck?.open === true, WAIT_MS);
    stuck?.socket.pause();
    stuck?.socket.write(Buffer.alloc(2 ** 20));
    for (const [index, { socket }] of many.entries()) socket.write(`connection ${index}`);
    await eventually('all echoes', () => many.every(({ echoed }, i) => echoed === `connection ${i}`), WAIT_MS);
    const beyond = connect(LIMIT - CONNECTIONS - 1 + 10);
    await eventually('the answers', () => beyond.every(({ open, ended }) => open || ended), WAIT_MS);
    assert.is(beyond.filter(({ open }) => open).length, LIMIT - CONNECTIONS - 1);
    await deadline('the monitor', (await machine.qmp()).run('query-status'));
  } finally {
    for (const { socket } of clients) socket.destroy();
    await machine.stop();
  }
});

test.run();
