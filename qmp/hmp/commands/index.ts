import type { HmpCommand } from '../command.js';
import { chardevCommands, chardevInfo } from './chardev.js';
import { deviceCommands } from './devices.js';
import { machineInfo } from './machine-info.js';
import { memoryCommands } from './memory.js';
import { miscCommands, miscInfo } from './misc.js';
import { nitroInfo } from './nitro.js';
import { pageTableCommands } from './page-tables.js';
import { qomCommands, qomInfo } from './qom.js';
import { runStateCommands } from './run-state.js';
import { virtioInfo } from './virtio.js';

export const mainCommands: readonly HmpCommand[] = [
  ...runStateCommands,
  ...qomCommands,
  ...deviceCommands,
  ...chardevCommands,
  ...memoryCommands,
  ...miscCommands,
];

/** Behind `info`. */
export const infoCommands: readonly HmpCommand[] = [
  ...machineInfo,
  ...pageTableCommands,
  ...nitroInfo,
  ...virtioInfo,
  ...qomInfo,
  ...chardevInfo,
  ...miscInfo,
];
