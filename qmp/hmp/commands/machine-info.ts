import { QemuError } from '../../../src/system/errors.js';
import { flag, optional, string } from '../args.js';
import { defineHmp, type HmpCommand, type HmpContext } from '../command.js';
import { flatMemoryTree, memoryTree } from './mtree.js';
import { busText } from './qtree.js';

/** What these machines lack shows as nothing. */
function nothing(name: string, help: string, usage = ''): HmpCommand {
  return defineHmp({ name, usage, help, run: () => '' });
}

type HumanTextCommand =
  | 'x-query-irq'
  | 'x-query-ramblock'
  | 'x-query-roms'
  | 'x-query-numa'
  | 'x-query-usb'
  | 'x-query-jit'
  | 'x-accel-stats';

function humanText(name: string, help: string, command: HumanTextCommand): HmpCommand {
  return defineHmp({ name, help, run: async ({ qmp }) => (await qmp(command))['human-readable-text'] });
}

async function cpusText({ qmp, client }: HmpContext): Promise<string> {
  const cpus = await qmp('query-cpus-fast');
  const line = (index: number, thread: unknown, type: string): string =>
    `${index === client.cpuIndex ? '*' : ' '} CPU #${index}: thread_id=${thread} model=${type.replace(/-[^-]+-cpu$/, '')}\n`;
  return cpus.map((cpu) => line(Number(cpu['cpu-index']), cpu['thread-id'], cpu['qom-type'])).join('');
}

/** QEMU: monitor/hmp-cmds-target.c, hmp_info_registers; the CPU is named by its index. */
async function registersText({ system, client }: HmpContext, all: boolean, vcpu: string | undefined): Promise<string> {
  const { cpuAccess } = system.machine;
  if (cpuAccess === undefined) return 'No CPU available\n';
  const indices = system.machine.cpus().map(({ index }) => index);
  const wanted = vcpu === undefined ? client.cpuIndex : Number(vcpu);
  if (!all && !indices.includes(wanted)) return `CPU#${vcpu} not available\n`;
  const { registerDump } = await import('../../../src/hw/i386/register-dump.js');
  let text = '';
  for (const index of all ? indices : [wanted]) {
    text += `\nCPU#${index}\n${registerDump(await cpuAccess.readRegisters(index))}`;
  }
  return text;
}

export const machineInfo = [
  defineHmp({
    name: 'status',
    help: 'show whether the machine runs',
    allowPreconfig: true,
    run: async ({ qmp }) => {
      const { running, status } = await qmp('query-status');
      const detail = running || status === 'paused' ? '' : ` (${status})`;
      return `VM status: ${running ? 'running' : 'paused'}${detail}\n`;
    },
  }),
  defineHmp({
    name: 'version',
    help: 'show the versions of QEMU and of this program',
    allowPreconfig: true,
    run: async ({ qmp }) => {
      const { qemu, package: name } = await qmp('query-version');
      return `${qemu.major}.${qemu.minor}.${qemu.micro} (${name})\n`;
    },
  }),
  defineHmp({
    name: 'name',
    help: "show the machine's name",
    run: async ({ qmp }) => {
      const { name } = await qmp('query-name');
      return name === undefined ? '' : `${name}\n`;
    },
  }),
  defineHmp({
    name: 'uuid',
    help: "show the machine's UUID",
    run: async ({ qmp }) => `${(await qmp('query-uuid')).UUID}\n`,
  }),
  defineHmp({
    name: 'kvm',
    help: 'show whether KVM is in use',
    run: async ({ qmp }) => {
      const { enabled, present } = await qmp('query-kvm');
      return `kvm support: ${present ? (enabled ? 'enabled' : 'disabled') : 'not compiled'}\n`;
    },
  }),
  defineHmp({
    name: 'accelerators',
    help: 'show the accelerators there are and the one in use',
    run: async ({ qmp }) => {
      const { enabled, present } = await qmp('query-accelerators');
      return present.map((name) => `${name === enabled ? '*' : ' '} ${name}\n`).join('');
    },
  }),
  defineHmp({ name: 'cpus', help: 'show the vCPUs', run: cpusText }),
  defineHmp({
    name: 'hotpluggable-cpus',
    help: 'show where CPUs can be plugged in',
    allowPreconfig: true,
    run: async ({ qmp }) => void (await qmp('query-hotpluggable-cpus')),
  }),
  defineHmp({
    name: 'registers',
    usage: '[-a|vcpu]',
    help: 'show the registers of a vCPU',
    parameters: [flag('all', 'a'), optional(string('vcpu'))],
    run: (ctx, { all, vcpu }) => registersText(ctx, all, vcpu),
  }),
  defineHmp({
    name: 'qtree',
    usage: '[-b]',
    help: 'show buses and devices (-b: without their properties)',
    parameters: [flag('brief', 'b')],
    run: ({ system }, { brief }) => busText(system.mainSystemBus, '', brief),
  }),
  defineHmp({
    name: 'mtree',
    usage: '[-f][-d][-o][-D]',
    help: 'show the memory regions (-f: as they are seen from outside; the other flags change nothing here)',
    parameters: [flag('flatview', 'f'), flag('dispatch', 'd'), flag('owner', 'o'), flag('disabled', 'D')],
    run: ({ system }, { flatview }) => (flatview ? flatMemoryTree(system) : memoryTree(system)),
  }),
  defineHmp({
    name: 'memory_size_summary',
    help: 'show the sizes of built-in and plugged-in memory',
    run: async ({ qmp }) => {
      const sizes = await qmp('query-memory-size-summary');
      return `base memory: ${sizes['base-memory']}\nplugged memory: ${sizes['plugged-memory'] ?? 0}\n`;
    },
  }),
  defineHmp({
    name: 'memdev',
    help: 'show the memory backends',
    run: async ({ qmp }) => {
      const backends = (await qmp('query-memdev')).map((backend) => {
        const { id, size, merge, dump, prealloc, share, reserve, policy } = backend;
        return `memory backend: ${id}\n${[
          ['size:  ', size],
          ['merge: ', merge],
          ['dump: ', dump],
          ['prealloc: ', prealloc],
          ['share: ', share],
          ['reserve: ', reserve],
          ['policy: ', policy],
          ['host nodes: ', nodeList(backend['host-nodes'])],
        ]
          .map(([label, value]) => `  ${label}${value}\n`)
          .join('')}`;
      });
      return `${backends.join('')}\n`;
    },
  }),
  defineHmp({
    name: 'iothreads',
    help: 'show the iothreads',
    run: async ({ qmp }) =>
      (await qmp('query-iothreads'))
        .map((thread) =>
          [
            `${thread.id}:`,
            `  thread_id=${thread['thread-id']}`,
            `  poll-max-ns=${thread['poll-max-ns']}`,
            `  poll-grow=${thread['poll-grow']}`,
            `  poll-shrink=${thread['poll-shrink']}`,
            `  aio-max-batch=${thread['aio-max-batch']}`,
            '',
          ].join('\n'),
        )
        .join(''),
  }),
  humanText('roms', 'show the ROM images', 'x-query-roms'),
  humanText('ramblock', 'show the blocks of guest RAM', 'x-query-ramblock'),
  humanText('irq', 'show the interrupt counts', 'x-query-irq'),
  humanText('numa', 'show the NUMA nodes', 'x-query-numa'),
  humanText('usb', 'show the USB devices', 'x-query-usb'),
  humanText('jit', 'show the state of the code translator', 'x-query-jit'),
  humanText('accel', 'show statistics of the accelerator', 'x-accel-stats'),
  nothing('pic', 'show the interrupt controllers'),
  nothing('pci', 'show the PCI devices'),
  nothing('memory-devices', 'show the memory devices'),
  nothing('network', 'show the network interfaces'),
  nothing('block', 'show the block devices', '[-n] [-v] [device]'),
  nothing('blockstats', 'show counters of the block devices'),
  nothing('block-jobs', 'show the jobs of the block layer'),
  nothing('tpm', 'show the TPM'),
  nothing('mice', 'show the mice'),
  defineHmp({
    name: 'balloon',
    help: 'show the size of the memory balloon',
    run: async ({ qmp }) => void (await qmp('query-balloon')),
  }),
  defineHmp({
    name: 'vm-generation-id',
    help: 'show the generation id of the machine',
    run: async ({ qmp }) => void (await qmp('query-vm-generation-id')),
  }),
  defineHmp({
    name: 'sgx',
    help: 'show the SGX support of the machine',
    run: async ({ qmp }) => void (await qmp('query-sgx')),
  }),
  defineHmp({
    name: 'sev',
    help: 'show the SEV state of the machine',
    run: async ({ qmp }) => {
      if ((await qmp('query-sev')).enabled) throw new QemuError('SEV is enabled on a machine that has none');
      return 'SEV is not enabled\n';
    },
  }),
];

/** Numbers in ascending order as QEMU's string visitor writes them: `0-2,5`. */
export function nodeList(nodes: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const node of nodes) {
    const last = ranges.at(-1);
    if (last !== undefined && node === last[1] + 1) last[1] = node;
    else ranges.push([node, node]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
