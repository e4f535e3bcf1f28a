// docs/software-cpu.md from the instruction table and what CPUID tells (compiled, in dist). `--write` puts it in its place, otherwise it is printed.
import { writeFileSync } from 'node:fs';
import { supportedCpuid } from '../dist/accel/tcg/cpuid.js';
import { features } from '../dist/accel/tcg/isa/features.js';
import { rows } from '../dist/accel/tcg/isa/table.js';
import { featureWords } from '../dist/src/hw/i386/cpuid/features.js';
import { isNotEmulated, oracleOf, oracles } from '../dist/test/support/oracles.js';

const code = (text) => `\`${text}\``;

function known(row) {
  return row.fn !== 'ud2' && row.name !== 'invalid' && (row.feature === undefined || features.includes(row.feature));
}

/** Which other bytes select the row, in words. */
function encodingOf({ opcode, prefix, mod, rm, wide }) {
  const before = prefix === undefined || prefix === 'none' ? '' : `${prefix} `;
  const notes = [
    prefix === 'none' ? 'no prefix' : undefined,
    wide === undefined ? undefined : wide ? 'REX.W' : 'no REX.W',
    mod === undefined ? undefined : mod === 'mem' ? 'memory' : 'register',
    rm === undefined ? undefined : `rm ${rm}`,
  ].filter((note) => note !== undefined);
  return `${code(before + opcode)}${notes.length === 0 ? '' : ` ${notes.join(', ')}`}`;
}

const modes = { 64: '64-bit', legacy: '16, 32-bit' };

/** A line for the encodings of one instruction that have all else in common. */
function instructionTable() {
  const groups = new Map();
  for (const row of rows.filter(known)) {
    const traits = [
      row.name.replaceAll('_', ' '),
      row.feature ?? '',
      [row.mode === undefined ? '' : modes[row.mode], row.lock ? 'LOCK' : '', isNotEmulated(row) ? '**no**' : '']
        .filter((t) => t !== '')
        .join(', '),
      oracleOf(row),
    ];
    const key = traits.join('|');
    const group = groups.get(key) ?? { traits, forms: [] };
    group.forms.push(`${encodingOf(row)}${row.operands ? ` ${row.operands}` : ''}`);
    groups.set(key, group);
  }
  const lines = [...groups.values()]
    .sort((a, b) => (a.traits.join() < b.traits.join() ? -1 : 1))
    .map(
      ({ traits: [name, feature, notes, oracle], forms }) =>
        `| ${code(name)} | ${forms.join('; ')} | ${[feature, notes].filter((t) => t !== '').join(', ')} | ${oracle} |`,
    );
  return ['| instruction | encodings | | checked against |', '| --- | --- | --- | --- |', ...lines];
}

/** What is refused as hardware without the extension does. */
function invalidOpcodes() {
  const names = rows.filter((row) => row.feature !== undefined && !features.includes(row.feature));
  const missing = [...new Set(names.map(({ name, feature }) => `${name} (${feature})`))].sort();
  const opcodes = rows
    .filter(({ name }) => name === 'invalid')
    .map(
      ({ opcode, prefix, mode }) =>
        code(`${prefix === undefined || prefix === 'none' ? '' : `${prefix} `}${opcode}`) +
        (mode === '64' ? ' in 64-bit mode' : ''),
    );
  return [
    ...(missing.length === 0 ? [] : [`Without its CPUID feature: ${missing.join(', ')}.`, '']),
    `Opcodes: ${[...new Set(opcodes)].join(', ')}.`,
  ];
}

/** Names of the features of `-cpu max`. */
function cpuidNames() {
  const { leaves } = supportedCpuid();
  const names = featureWords.flatMap(({ leaf, subleaf, register, names: bits }) => {
    const found = leaves.find((one) => one.leaf === leaf && one.subleaf === subleaf);
    return bits.filter((name, bit) => name && ((found?.[register] ?? 0) >>> bit) & 1);
  });
  return [...new Set(names)].sort();
}

/** Cases of instructions that are emulated otherwise. */
const cases = [
  'AVX and everything behind it: VEX, EVEX and XOP encodings are invalid opcodes, and CPUID does not have them.',
  'Paging outside of long mode, virtual-8086 mode, hardware task switches, call and task gates, interrupts in 32-bit protected mode.',
  '`enter` with a nesting level; code that is executed from anywhere but RAM.',
  'Breakpoints by debug registers: arming one in DR7 stops the machine. Single-step by TF works. gdb debugs from outside ([gdb.md](gdb.md)).',
  'SMM, VMX, SVM, performance counters, machine checks.',
];

const count = rows.filter(known).length;
const page = [
  '# The software CPU',
  '',
  'Made from the instruction table by `npm run docs`; do not edit. How to add an instruction is in accel/tcg/core/README.md.',
  '',
  '`-accel tcg` is an x86-64-v2 processor: 64-bit mode, and 32-bit and 16-bit code as far as the start of an operating system and 32-bit',
  'programs need it. An opcode that is in none of these tables stops the machine with a message that names the address and the bytes of the',
  'instruction (run state `internal-error`).',
  '',
  '## What is not emulated',
  '',
  ...cases.map((text) => `- ${text}`),
  `- These instructions: ${[...new Set(rows.filter((row) => known(row) && isNotEmulated(row)).map(({ name }) => code(name)))].join(', ')}.`,
  '',
  '## CPUID features',
  '',
  `\`-cpu max\` has ${cpuidNames().map(code).join(', ')}. Other models have what they share with it; a feature that is asked for and is not here is warned of.`,
  '',
  '## Instructions',
  '',
  `${count} encodings. Opcodes and operands are written as in appendix A of volume 2 of Intel's manual, opcode bytes in hexadecimal, \`/0\` to \`/7\``,
  'the value of ModRM.reg, `+r` a register in the low three bits of the opcode. **no** marks those that stop the machine.',
  '',
  '| checked against | |',
  '| --- | --- |',
  ...Object.entries(oracles).map(([name, text]) => `| ${name} | ${text} |`),
  '',
  ...instructionTable(),
  '',
  '## Invalid opcodes',
  '',
  'These raise #UD, as on a processor without the extension that they belong to.',
  '',
  ...invalidOpcodes(),
].join('\n');

if (process.argv.includes('--write')) writeFileSync(new URL('../docs/software-cpu.md', import.meta.url), `${page}\n`);
else console.log(page);
