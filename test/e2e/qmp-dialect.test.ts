import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import { strangeText } from '../support/json-text.js';
import { QmpPeer } from '../support/qmp-peer.js';

const emulator = 'qemu-system-x86_64';
const dialect = suite('JSON dialect against a real QEMU');

/** A client of a real QEMU, which reads everything that is sent up to a mark. */
class Qemu {
  readonly #folder = mkdtempSync(join(tmpdir(), 'qmp-dialect-'));
  readonly #process: ChildProcess;
  #socket: Socket | undefined;
  #text = '';

  constructor() {
    const path = join(this.#folder, 'qmp');
    this.#process = spawn(emulator, ['-M', 'none', '-display', 'none', '-qmp', `unix:${path},server=on,wait=off`]);
  }

  async connect(): Promise<void> {
    const path = join(this.#folder, 'qmp');
    await eventually('the socket of QEMU', () => existsSync(path));
    this.#socket = connect(path);
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
    });
    await this.readTo('"capabilities": ["oob"]}}\r\n');
  }

  send(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  /** Everything up to and with `mark`. */
  async readTo(mark: string): Promise<string> {
    const length = await eventually(`"${mark}" from QEMU`, () => {
      const at = this.#text.indexOf(mark);
      return at < 0 ? undefined : at + mark.length;
    });
    const text = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    return text;
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#socket?.destroy();
    this.#process.kill();
    await deadline('the end of QEMU', gone);
    rmSync(this.#folder, { recursive: true });
  }
}

/**
 * A reply in a form that does not depend on what is no promise: the order of members, which QEMU takes from a hash
 * table, and with it which of several faults of an envelope it tells.
 */
function comparable(line: string): unknown {
  const vague = line.replace(/"desc": "QMP input (lacks )?member .*"/, '"desc": "a fault of the envelope"');
  try {
    return JSON.parse(vague);
  } catch {
    // QEMU echoes 1e999 as inf.
    return vague;
  }
}

dialect('damaged and strange input is answered as QEMU answers it', async () => {
  if (spawnSync(emulator, ['--version']).status !== 0) {
    console.log(`SKIP no ${emulator} on this host`);
    return;
  }
  const qemu = new Qemu();
  try {
    await qemu.connect();
    const negotiation = Buffer.from('{"execute": "qmp_capabilities", "id": "negotiated"}\n');
    qemu.send(negotiation);
    await qemu.readTo('"negotiated"}\r\n');
    const peer = new QmpPeer();
    peer.session.receive(negotiation);
    peer.take();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(strangeText, async (input) => {
        const mark = `"end ${round++}"}\r\n`;
        // 0xFF ends whatever is unfinished; the newline ends the recovery.
        const bytes = Buffer.from(`${input}\xff\n{"execute": "query-name", "id": ${mark}`, 'latin1');
        qemu.send(bytes);
        const expected = (await qemu.readTo(mark)).split('\r\n').map(comparable);
        assert.equal(peer.ask(bytes).map(comparable), expected.slice(0, -1), JSON.stringify(input));
      }),
      { numRuns: 1500, includeErrorInReport: true },
    );
  } finally {
    await qemu.end();
  }
});

dialect.run();
