import type { CommandResult } from '../../command-map.js';
import { defineHmp } from '../command.js';

type Enclave = CommandResult<'x-nitro-query-enclave'>;
type Pcr = CommandResult<'x-nitro-query-pcrs'>[number];

export const nitroInfo = [
  defineHmp({
    name: 'nitro',
    help: 'show the enclave, its registers and the faults that are on',
    run: async ({ qmp }) => {
      const enclave = await qmp('x-nitro-query-enclave');
      const pcrs = await qmp('x-nitro-query-pcrs');
      return [...enclaveLines(enclave), ...pcrs.flatMap(pcrLines), ''].join('\n');
    },
  }),
];

function enclaveLines({ running, cid, 'debug-mode': debugMode, image, attestation, faults }: Enclave): string[] {
  const { file, format, size, crc32 } = image;
  const crc = crc32.toString(16).padStart(8, '0');
  return [
    `enclave: ${running ? `running, CID ${cid}` : 'not running'}, debug mode ${debugMode ? 'on' : 'off'}`,
    `image: ${file} (${format}, ${size} bytes, crc32 ${crc})`,
    `attestation: ${attestation ?? 'by the Nitro Hypervisor'}`,
    ...(faults ?? []).map(({ fault, value, count }) => {
      const times = count === undefined ? 'until it is turned off' : `${count} time(s)`;
      return `fault: ${fault}, value ${value}, ${times}`;
    }),
  ];
}

function pcrLines({ index, value, locked, image, note }: Pcr): string[] {
  const lock = locked === undefined ? '' : locked ? ' locked' : ' unlocked';
  const line = `PCR${index}${lock}: ${value}`;
  return note === undefined ? [line] : [line, `  image: ${image}`, `  note: ${note}`];
}
