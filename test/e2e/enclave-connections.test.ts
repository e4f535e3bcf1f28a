import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../support/deadline.js';
import { BOOT_MS, withLinux } from '../support/linux-process.js';

const test = suite('nitro-enclave: vsock connections with Linux in the enclave');

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

const machine = 'vsock-uds=DIR/vsock';

test('1,000 at once are all served while one does not read; those beyond the limit are refused', async () => {
  await withLinux({ machine }, async (linux) => {
    const clients: Echo[] = [];
    const connect = (count: number) => {
      const more = Array.from({ length: count }, () => new Echo(join(linux.dir, 'vsock')));
      clients.push(...more);
      return more;
    };
    try {
      await linux.says('enclave: ready', BOOT_MS);
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
    } finally {
      for (const { socket } of clients) socket.destroy();
    }
  });
});

test('a connection stands still while the machine is stopped, goes on with it, and ends with a reset', async () => {
  await withLinux({ machine }, async (linux) => {
    const qmp = await linux.qmp();
    await linux.says('enclave: ready', BOOT_MS);
    const echo = new Echo(join(linux.dir, 'vsock'));
    await eventually('the connection', () => echo.open, WAIT_MS);
    await qmp.run('stop');
    echo.socket.write('meanwhile');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.is(echo.echoed, '');
    await qmp.run('cont');
    await eventually('the echo', () => echo.echoed === 'meanwhile', WAIT_MS);
    await qmp.run('system_reset');
    await eventually('the end of the connection', () => echo.ended, WAIT_MS);
    await linux.says('enclave: ready', BOOT_MS, 2);
    const next = new Echo(join(linux.dir, 'vsock'));
    await eventually('the next connection', () => next.open, WAIT_MS);
    next.socket.destroy();
  });
});

test.run();
