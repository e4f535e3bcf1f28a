import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventfd, eventfdTake } from '../../src/host/fd.js';
import { openIrqLines } from '../../src/hw/intc/irq-lines.js';
import { deadline, eventually } from '../support/deadline.js';
import { ENTRY, type GuestOptions, KvmGuest, kvmMissing, MMIO, PORT } from '../support/kvm-guest.js';

const test = suite('kvm e2e');
const missing = kvmMissing();
/** Where guests count what they do. */
const COUNTER = 0x2000;

/** A test with a guest that is open and not started. */
function guestTest(name: string, source: string, body: (guest: KvmGuest) => Promise<void>, options?: GuestOptions) {
  test(name, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    const guest = new KvmGuest(`${macros}${source}`, options);
    try {
      await deadline('the machine', guest.open());
      await body(guest);
    } finally {
      await deadline('the close', guest.close());
    }
  });
}

const macros = `
  .set PORT, ${PORT}
  .set MMIO, ${MMIO}
  .set COUNTER, ${COUNTER}
  .set IDT, 0x3000
  .set TRAMPOLINE, 0x4000
  .set LAPIC, 0xfee00000
  .macro say letter
    mov $PORT, %edx
    mov $\\letter, %al
    out %al, (%dx)
  .endm
  .macro rest
    1: hlt
    jmp 1b
  .endm
  .macro gate vector, handler
    lea \\handler(%rip), %rax
    mov $(IDT + \\vector * 16), %edi
    mov %ax, (%rdi)
    movw $0x10, 2(%rdi)
    movw $0x8e00, 4(%rdi)
    shr $16, %rax
    mov %ax, 6(%rdi)
    shr $16, %rax
    mov %eax, 8(%rdi)
    movl $0, 12(%rdi)
  .endm
  .macro load_idt
    push $IDT
    pushw $0xfff
    lidt (%rsp)
  .endm
  .macro pic mask
    mov $0x11, %al
    out %al, $0x20
    mov $0x20, %al
    out %al, $0x21
    mov $4, %al
    out %al, $0x21
    mov $1, %al
    out %al, $0x21
    mov $\\mask, %al
    out %al, $0x21
  .endm
`;
const spin = '1: incq COUNTER\njmp 1b';

/** Resolves when the ports' probe has seen `text`. */
async function said(guest: KvmGuest, text: string): Promise<void> {
  await eventually(`'${text}'`, () => {
    for (const event of guest.events) if (event.type === 'internal-error') throw new Error(event.text);
    return guest.ports.text.endsWith(text);
  });
}

const counter = ({ memory }: KvmGuest) => Buffer.from(memory.read(COUNTER, 8)).readBigUInt64LE();
const counting = (guest: KvmGuest, from = 0n) => eventually('counting', () => counter(guest) > from);

guestTest(
  'port writes of 1, 2 and 4 bytes reach the board',
  "say 'a'\nmov $0x3231, %ax\nout %ax, (%dx)\nmov $0x36353433, %eax\nout %eax, (%dx)\nrest",
  async (guest) => {
    await guest.vm.resume();
    await said(guest, 'a123456');
    assert.equal(
      guest.ports.log.map(({ bytes }) => bytes.length),
      [1, 2, 4],
    );
  },
);

guestTest(
  'port reads give what the board answers, and ones where nobody does',
  `mov $PORT, %edx
   in (%dx), %al
   out %al, (%dx)
   in (%dx), %ax
   out %ax, (%dx)
   in (%dx), %eax
   out %eax, (%dx)
   mov $0x6000, %edx
   in (%dx), %al
   mov $PORT, %edx
   out %al, (%dx)
   rest`,
  async (guest) => {
    guest.ports.answer = [1, 2, 3, 4];
    await guest.vm.resume();
    await eventually('four writes', () => guest.ports.writes === 4);
    assert.equal(
      guest.ports.log.map(({ bytes }) => bytes),
      [[1], [1, 2], [1, 2, 3, 4], [0xff]],
    );
  },
);

guestTest(
  'string instructions transfer item by item',
  `lea text(%rip), %rsi
   mov $5, %ecx
   mov $PORT, %edx
   rep outsb
   mov $3, %ecx
   mov $COUNTER, %edi
   rep insw
   say '.'
   rest
   text: .ascii "hello"`,
  async (guest) => {
    guest.ports.answer = [0x11, 0x22];
    await guest.vm.resume();
    await said(guest, 'hello.');
    assert.equal([...guest.memory.read(COUNTER, 8)], [0x11, 0x22, 0x11, 0x22, 0x11, 0x22, 0, 0]);
  },
);

guestTest(
  'memory-mapped registers are read and written in 1, 2, 4 and 8 bytes',
  `mov $MMIO, %ebx
   movb $1, (%rbx)
   movw $0x0302, 2(%rbx)
   movl $0x07060504, 4(%rbx)
   mov $0x0f0e0d0c0b0a0908, %rax
   mov %rax, 8(%rbx)
   mov (%rbx), %al
   mov %al, COUNTER
   mov 2(%rbx), %ax
   mov %ax, COUNTER + 2
   mov 4(%rbx), %eax
   mov %eax, COUNTER + 4
   mov 8(%rbx), %rax
   mov %rax, COUNTER + 8
   say '.'
   rest`,
  async (guest) => {
    guest.mmio.answer = [1, 2, 3, 4, 5, 6, 7, 8];
    await guest.vm.resume();
    await said(guest, '.');
    assert.equal(guest.mmio.log, [
      { offset: 0, bytes: [1] },
      { offset: 2, bytes: [2, 3] },
      { offset: 4, bytes: [4, 5, 6, 7] },
      { offset: 8, bytes: [8, 9, 10, 11, 12, 13, 14, 15] },
    ]);
    assert.equal([...guest.memory.read(COUNTER, 16)], [1, 0, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8]);
  },
);

const interrupts = `
  gate 0x25, irq5
  load_idt
  pic 0xdf
  say 'r'
  sti
  rest
  irq5:
  say 'I'
  mov $0x20, %al
  out %al, $0x20
  iretq`;

guestTest('an edge by irqfd wakes a guest from HLT', interrupts, async (guest) => {
  await guest.vm.resume();
  await said(guest, 'r');
  const line = openIrqLines(guest.vm.irqs)(5);
  line.pulse();
  await said(guest, 'rI');
  line.pulse();
  await said(guest, 'rII');
});

guestTest('a line that goes up interrupts once, and again after it was down', interrupts, async (guest) => {
  await guest.vm.resume();
  await said(guest, 'r');
  const line = openIrqLines(guest.vm.irqs)(5);
  line.raise();
  await said(guest, 'rI');
  line.lower();
  line.raise();
  await said(guest, 'rII');
});

guestTest(
  'an NMI arrives where the local APIC lets it',
  `gate 2, nmi
   load_idt
   say 'r'
   rest
   nmi: say 'N'
   iretq`,
  async (guest) => {
    await guest.vm.resume();
    await said(guest, 'r');
    await deadline('the NMI', guest.vm.injectNmi());
    await said(guest, 'rN');
  },
);

guestTest(
  'a write that a notifier waits for makes no exit; another value does',
  `mov $MMIO, %ebx
   movl $3, 0x50(%rbx)
   movl $4, 0x50(%rbx)
   movl $3, 0x50(%rbx)
   say '.'
   rest`,
  async (guest) => {
    const fd = eventfd();
    guest.vm.addNotifier({ address: MMIO + 0x50, value: 3, eventfd: fd });
    await guest.vm.resume();
    await said(guest, '.');
    assert.is(eventfdTake(fd), 2n);
    assert.equal(guest.mmio.log, [{ offset: 0x50, bytes: [4, 0, 0, 0] }]);
  },
);

guestTest('nothing runs before resume, nor between pause and resume', spin, async (guest) => {
  await sleep(50);
  assert.is(counter(guest), 0n);
  await deadline('resume', guest.vm.resume());
  await counting(guest);
  await deadline('pause', guest.vm.pause());
  const stopped = counter(guest);
  await sleep(50);
  assert.is(counter(guest), stopped);
  await deadline('a second pause', guest.vm.pause());
  await deadline('resume', guest.vm.resume());
  await counting(guest, stopped);
});

/** Nanoseconds of kvmclock at a value of the time stamp counter (struct pvclock_vcpu_time_info, Documentation/virt/kvm/x86/msr.rst). */
function clockAt(page: Buffer, tsc: bigint): bigint {
  const shift = page.readInt8(28);
  const delta = tsc - page.readBigUInt64LE(8);
  const shifted = shift < 0 ? delta >> BigInt(-shift) : delta << BigInt(shift);
  return page.readBigUInt64LE(16) + ((shifted * BigInt(page.readUInt32LE(24))) >> 32n);
}

guestTest(
  'a guest does not see the time for which it was paused',
  `mov $0x4b564d01, %ecx
   mov $(COUNTER + 0x101), %eax
   xor %edx, %edx
   wrmsr
   2: rdtsc
   shl $32, %rdx
   or %rdx, %rax
   mov %rax, COUNTER
   jmp 2b`,
  async (guest) => {
    const clock = () => clockAt(Buffer.from(guest.memory.read(COUNTER + 0x100, 32)), counter(guest));
    await guest.vm.resume();
    await counting(guest);
    await guest.vm.pause();
    const [tsc, time] = [counter(guest), clock()];
    await sleep(1_000);
    await guest.vm.resume();
    await counting(guest, tsc);
    await sleep(20);
    await guest.vm.pause();
    const passed = Number(clock() - time) / 1e6;
    assert.ok(passed > 0 && passed < 900, `kvmclock went on by ${passed} ms`);
    // Guests of kvm-pvm execute RDTSC on the CPU itself.
    if (existsSync('/sys/module/kvm_pvm')) return;
    const khz = Number(/^cpu MHz\s*: ([\d.]+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]) * 1000;
    const ticks = Number(counter(guest) - tsc);
    assert.ok(ticks / khz < 900, `the time stamp counter went on by ${ticks}`);
  },
);

guestTest(
  'reset starts over: registers, memory of chips and the boot vCPU',
  `say 'b'
   mov $0x1234, %r15
   mov $0xd0, %al
   out %al, $0x21
   in $0x21, %al
   out %al, (%dx)
   incq COUNTER
   rest`,
  async (guest) => {
    await guest.vm.resume();
    await eventually('the first run', () => counter(guest) === 1n);
    await guest.vm.pause();
    assert.is((await guest.vm.readRegisters(0)).general[15], 0x1234n);
    await deadline('reset', guest.reset());
    const registers = await guest.vm.readRegisters(0);
    assert.is(registers.general[15], 0n);
    assert.is(registers.rip, BigInt(ENTRY));
    assert.is(registers.halted, false);
    assert.is(counter(guest), 1n);
    await guest.vm.resume();
    await eventually('the second run', () => counter(guest) === 2n);
    assert.is(guest.ports.log.filter(({ bytes }) => bytes[0] === 98).length, 2);
  },
);

guestTest(
  'registers and addresses are read while the guest runs',
  `mov $0x1122334455667788, %rax
   mov %rax, %rbp
   mov $0x99, %r8
   say '.'
   3: pause
   jmp 3b`,
  async (guest) => {
    await guest.vm.resume();
    await said(guest, '.');
    const registers = await deadline('registers', guest.vm.readRegisters(0));
    assert.is(registers.general[6], 0x1122334455667788n);
    assert.is(registers.general[8], 0x99n);
    assert.is(registers.halted, false);
    assert.equal(registers.segments[1], { selector: 0x10, base: 0n, limit: 0xffffffff, flags: 0xa09b00 });
    assert.is(registers.cr3, 0x9000n);
    assert.is(await deadline('an address', guest.vm.translate(0, 0x123456n)), 0x123456n);
    assert.is(await deadline('an address', guest.vm.translate(0, 0x7f0000000000n)), undefined);
  },
);

guestTest(
  'a triple fault is a reset',
  `pushq $0
   pushw $0
   lidt (%rsp)
   mov $0x7f0000000000, %rax
   mov (%rax), %al`,
  async (guest) => {
    await guest.vm.resume();
    await eventually('the event', () => guest.events.length > 0);
    assert.equal(guest.events, [{ type: 'reset' }]);
    await deadline('pause', guest.vm.pause());
    await deadline('reset', guest.reset());
    await guest.vm.resume();
    await eventually('the next event', () => guest.events.length === 2);
  },
);

guestTest(
  'application processors start at INIT and SIPI, with ids of their own',
  `lea ap(%rip), %rsi
   mov $TRAMPOLINE, %edi
   mov $(ap_end - ap), %ecx
   rep movsb
   mov $LAPIC, %ebx
   movl $0x1ff, 0xf0(%rbx)
   movl $(1 << 24), 0x310(%rbx)
   movl $0x4500, 0x300(%rbx)
   movl $0x4604, 0x300(%rbx)
   4: cmpb $0, COUNTER
   je 4b
   say '!'
   rest
   .code16
   ap:
   mov $1, %eax
   cpuid
   shr $24, %ebx
   mov %bl, %al
   mov $PORT, %dx
   out %al, (%dx)
   xor %ax, %ax
   mov %ax, %ds
   movb $1, COUNTER
   5: hlt
   jmp 5b
   ap_end:
   .code64`,
  async (guest) => {
    assert.is((await guest.vm.readRegisters(1)).halted, true);
    assert.is.not(guest.vm.threadId(0), guest.vm.threadId(1));
    await guest.vm.resume();
    await said(guest, '\u0001!');
    await guest.vm.pause();
    await deadline('reset', guest.reset());
    guest.memory.write(COUNTER, new Uint8Array(8));
    await guest.vm.resume();
    await said(guest, '\u0001!\u0001!');
  },
  { cpus: 2 },
);

guestTest(
  'an instruction that KVM cannot emulate is told with registers and the bytes at RIP',
  `mov $0x77, %r9
   mov $MMIO, %ebx
   jmp *%rbx`,
  async (guest) => {
    guest.mmio.answer = [0x0f, 0xae];
    await guest.vm.resume();
    await eventually('the event', () => guest.events.length > 0);
    const [event] = guest.events;
    assert.is(event?.type, 'internal-error');
    if (event?.type !== 'internal-error') return;
    assert.is(event.cpu, 0);
    assert.match(event.text, /^KVM internal error\. Suberror: 1\n/);
    assert.match(event.text, /R9 =0000000000000077/);
    assert.match(event.text, /RIP=00000000feb00000/);
    assert.match(event.text, /\nCode=(\?\? ){20}<\?\?>( \?\?){29}$/);
  },
);

guestTest(
  'when one vCPU cannot go on, all stand still',
  `mov $MMIO, %ebx
   jmp *%rbx`,
  async (guest) => {
    await guest.vm.resume();
    await eventually('the event', () => guest.events.length > 0);
    await deadline('registers of the other', guest.vm.readRegisters(1));
    await deadline('reset', guest.reset());
  },
  { cpus: 2 },
);

guestTest(
  'a device that breaks down is an error of the machine, not its end',
  `mov $PORT, %edx
   in (%dx), %al
   rest`,
  async (guest) => {
    guest.ports.breakDown();
    await guest.vm.resume();
    await eventually('the event', () => guest.events.length > 0);
    assert.equal(guest.events, [{ type: 'internal-error', cpu: 0, text: 'vCPU thread: probe broke down' }]);
    const refusal = guest.vm.resume().then(
      () => 'none',
      (error: Error) => error.message,
    );
    assert.is(await deadline('a refusal', refusal), 'vCPU thread ended');
  },
);

guestTest('a running guest is closed, twice', spin, async (guest) => {
  await guest.vm.resume();
  await counting(guest);
  await deadline('the closes', Promise.all([guest.vm.close(), guest.vm.close()]));
  const refused = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: Error) => error.message,
    );
  assert.is(await deadline('resume', refused(guest.vm.resume())), 'the virtual machine is closed');
  assert.is(await deadline('registers', refused(guest.vm.readRegisters(0))), 'vCPU thread ended');
});

/** Ends of a process that has two vCPUs running. */
const ends = {
  'process.exit()': 'process.exit(7)',
  'an error that nobody catches': "process.on('uncaughtException', () => process.exit(7)); throw new Error('bug')",
};
for (const [name, end] of Object.entries(ends)) {
  test(`${name} ends a process whose guest spins`, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    const support = new URL('../support/kvm-guest.js', import.meta.url).href;
    const program = `import(${JSON.stringify(support)}).then(async ({ KvmGuest }) => {
      const guest = await new KvmGuest('1: jmp 1b', { cpus: 2 }).open();
      await guest.vm.resume();
      setTimeout(() => { ${end} }, 100);
    })`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit'] });
    try {
      assert.equal(await deadline('the end', once(child, 'exit'), 20_000), [7, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });
}

guestTest('a kick takes a spinning guest out within a fraction of a second', spin, async (guest) => {
  await guest.vm.resume();
  await counting(guest);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    await deadline('an address', guest.vm.translate(0, 0n));
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  console.log(`  kick and answer: median ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`);
  assert.ok(at(0.5) < 100);
});

test.run();
