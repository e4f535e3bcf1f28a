import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePacket, GdbPacketReader } from '../../src/gdbstub/packet.js';
import { gdbRegisters, targetXml } from '../../src/gdbstub/registers.js';
import { GdbStub } from '../../src/gdbstub/stub.js';
import { TOY_BASE, ToyMachine } from '../support/toy-target.js';

const test = suite('gdbstub/stub');

class Debugger {
  readonly machine = new ToyMachine();
  readonly stub: GdbStub;
  readonly replies: string[] = [];
  acks = '';
  readonly #reader = new GdbPacketReader();

  constructor() {
    this.machine.state = 'paused';
    this.stub = new GdbStub(this.machine, this.machine, (bytes) => {
      for (const input of this.#reader.read(bytes)) {
        if (input.type === 'packet') this.replies.push(input.body.toString('latin1'));
        else this.acks += input.type;
      }
    });
    this.machine.onState = (state) => this.stub.stateChanged(state);
  }

  async say(body: string | Uint8Array): Promise<string | undefined> {
    const before = this.replies.length;
    this.stub.receive(encodePacket(body));
    await this.stub.idle();
    await this.stub.idle();
    return this.replies[before];
  }
}

const hex = (value: bigint): string => value.toString(16);

test('the registers of the g packet are those that the description names, in its order', async () => {
  const gdb = new Debugger();
  gdb.machine
    .cpu(0)
    .set('rax', 0x1122334455667788n)
    .set('xmm15', 1n << 127n)
    .set('eflags', 0x202n);
  const all = await gdb.say('g');
  const described = [...targetXml().matchAll(/<reg name="(\w+)" bitsize="(\d+)"/g)];
  assert.is(
    all?.length,
    described.reduce((sum, [, , bits]) => sum + Number(bits) / 4, 0),
  );
  let at = 0;
  for (const [index, [, name, bits]] of described.entries()) {
    const digits = Number(bits) / 4;
    assert.is(await gdb.say(`p${index.toString(16)}`), all?.slice(at, at + digits), name);
    at += digits;
  }
  assert.ok(all?.startsWith('8877665544332211'));
});

test('registers can be written one by one and all at once', async () => {
  const gdb = new Debugger();
  assert.is(await gdb.say('P1=0807060504030201'), 'OK');
  assert.is(gdb.machine.cpu(0).get('rbx'), 0x0102030405060708n);
  assert.is(await gdb.say('P1=08070605040302'), 'E22');
  const all = (await gdb.say('g')) ?? '';
  assert.is(await gdb.say(`G${'ff'.repeat(8)}${all.slice(16)}`), 'OK');
  assert.is(gdb.machine.cpu(0).get('rax'), 0xffff_ffff_ffff_ffffn);
  assert.is(await gdb.say('Gxyz'), 'E22');
  assert.is(await gdb.say(`p${gdbRegisters.length.toString(16)}`), 'E22');
});

test('memory is read and written as hexadecimal and as bytes; what is not mapped is a fault', async () => {
  const gdb = new Debugger();
  assert.is(await gdb.say(`M${hex(TOY_BASE + 4n)},3:010203`), 'OK');
  assert.is(await gdb.say(`X${hex(TOY_BASE + 7n)},3:\x23\x24\x7d`), 'OK');
  assert.is(await gdb.say(`m${hex(TOY_BASE + 4n)},6`), '01020323247d');
  assert.is(await gdb.say('m0,4'), 'E14');
  assert.is(await gdb.say('M0,1:00'), 'E14');
  assert.is(await gdb.say(`M${hex(TOY_BASE)},2:00`), 'E22');
  assert.is(await gdb.say(`m${hex(TOY_BASE)},1000000`), 'E22');
});

test('a breakpoint stops the machine, once; a watchpoint tells the address', async () => {
  const gdb = new Debugger();
  const where = hex(TOY_BASE + 20n);
  assert.is(await gdb.say(`Z0,${where},1`), 'OK');
  assert.is(await gdb.say('vCont;c'), 'T05thread:01;');
  assert.is(gdb.machine.cpu(0).get('rip'), TOY_BASE + 20n);
  assert.is(await gdb.say(`Z2,${hex(TOY_BASE)},1`), 'OK');
  const watched = `T05thread:01;watch:${hex(TOY_BASE)};`;
  assert.is(await gdb.say('s'), watched);
  assert.is(await gdb.say('c'), watched);
  assert.is(await gdb.say(`z2,${hex(TOY_BASE)},1`), 'OK');
  assert.is(await gdb.say(`z0,${where},1`), 'OK');
  assert.equal(gdb.machine.breakpoints, []);
});

test('a step is of the vCPU that the debugger names', async () => {
  const gdb = new Debugger();
  assert.is(await gdb.say('vCont;s:2;c'), 'T05thread:02;');
  assert.is(gdb.machine.cpu(1).get('rip'), TOY_BASE + 17n);
  assert.is(gdb.machine.cpu(0).get('rip'), TOY_BASE + 16n);
  assert.is(await gdb.say('vCont;s:9'), 'E22');
});

test('an interrupt stops a machine that runs, and the waiting debugger is told', async () => {
  const gdb = new Debugger();
  assert.is(await gdb.say('c'), undefined);
  gdb.stub.receive(Buffer.of(3));
  await gdb.stub.idle();
  assert.is(gdb.replies.at(-1), 'T02thread:01;');
});

test('acknowledgements end when the debugger says so; a reply that was damaged is sent again', async () => {
  const gdb = new Debugger();
  await gdb.say('?');
  assert.is(gdb.acks, 'ack');
  gdb.stub.receive(Buffer.from('-'));
  assert.is(gdb.replies.length, 2);
  assert.is(await gdb.say('QStartNoAckMode'), 'OK');
  gdb.acks = '';
  await gdb.say('?');
  assert.is(gdb.acks, '');
});

test('monitor commands, threads, detaching and killing', async () => {
  const gdb = new Debugger();
  await gdb.say(`qRcmd,${Buffer.from('info cpus').toString('hex')}`);
  assert.equal(gdb.replies.splice(0), [`O${Buffer.from('you said info cpus\n').toString('hex')}`, 'OK']);
  assert.is(await gdb.say('qfThreadInfo'), 'm01,02');
  assert.is(await gdb.say('Hg2'), 'OK');
  assert.is(await gdb.say('Hg3'), 'E22');
  assert.is(await gdb.say('T02'), 'OK');
  await gdb.say(`Z0,${hex(TOY_BASE)},1`);
  assert.is(await gdb.say('D'), 'OK');
  assert.equal(gdb.machine.breakpoints, []);
  assert.is(gdb.machine.state, 'running');
  await gdb.say('k');
  assert.ok(gdb.machine.killed);
});

test('whatever a debugger sends is answered or ignored, and the next packet still works', async () => {
  const start = fc.constantFrom(
    ...'?gGpPmMXcCsSHTZzDq',
    'vCont;',
    'vCont?',
    'qRcmd,',
    'qXfer:features:read:',
    'qSupported',
  );
  const packet = fc.tuple(start, fc.string({ maxLength: 40 })).map(([head, tail]) => head + tail);
  await fc.assert(
    fc.asyncProperty(fc.array(packet, { maxLength: 8 }), async (packets) => {
      const gdb = new Debugger();
      for (const body of packets) await gdb.say(Buffer.from(body, 'latin1'));
      gdb.machine.breakpoints = [];
      assert.is(await gdb.say('qfThreadInfo'), 'm01,02');
    }),
    { numRuns: 300 },
  );
});

test.run();
