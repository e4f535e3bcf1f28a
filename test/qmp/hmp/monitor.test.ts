import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReadlineMonitor } from '../../../qmp/hmp/monitor.js';
import type { CharPort } from '../../../src/chardev/chardev.js';
import { deadline, eventually } from '../../support/deadline.js';
import { createTestMonitor } from '../../support/monitor.js';

/** The terminal's end of a prompt. */
class Terminal implements CharPort {
  text = '';
  paused = false;
  readonly queued = 0;
  readonly connected = true;

  write(data: Uint8Array): boolean {
    this.text += Buffer.from(data).toString('utf8');
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  disconnect(): void {}

  takeDescriptor(): undefined {}
}

async function open() {
  const monitor = await createTestMonitor();
  const terminal = new Terminal();
  const prompt = new ReadlineMonitor(monitor.host, terminal);
  prompt.opened();
  const type = (text: string): void => prompt.receive(Buffer.from(text));
  const shows = (pattern: RegExp) => eventually(String(pattern), () => pattern.test(terminal.text));
  return { ...monitor, terminal, type, shows };
}

const monitor = suite('hmp: prompt');

monitor('greets and shows the prompt', async () => {
  const { terminal } = await open();
  assert.is(terminal.text, "QEMU 10.2.50 monitor - type 'help' for more information\r\n(qemu) ");
});

monitor('runs a line and shows its output with CR LF, then the prompt again', async () => {
  const { terminal, type, shows } = await open();
  terminal.text = '';
  type('info status\r');
  await shows(/running\r\n\(qemu\) $/);
  assert.is(terminal.text, 'info status\r\nVM status: running\r\n(qemu) ');
});

monitor('lines that come at once run one after the other', async () => {
  const { terminal, type, shows, system } = await open();
  type('stop\rinfo status\rcont\rinfo status\r');
  await shows(/paused\r\n[\s\S]*running\r\n\(qemu\) $/);
  assert.is(system.run.state, 'running');
  await eventually('the terminal to flow again', () => !terminal.paused);
});

monitor('completes with TAB', async () => {
  const { type, shows } = await open();
  type('qom-get /machi\t');
  await shows(/qom-get \/machine $/);
});

monitor('quit shows no further prompt', async () => {
  const { terminal, type, system } = await open();
  terminal.text = '';
  type('quit\r');
  assert.is(await deadline('the end', system.run.finished), 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(terminal.text, 'quit\r\n');
});

monitor.run();
