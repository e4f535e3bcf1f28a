import type { Chardev } from '../chardev/chardev.js';
import { addChardev } from '../chardev/create.js';
import type { System } from '../system/system.js';
import type { OptionSet } from './config.js';
import { backendFromText } from '../chardev/options.js';

export async function openChardevOption(_system: System, _option: OptionSet): Promise<void> {}

export async function openCharOption(system: System, label: string, text: string): Promise<Chardev | undefined> {
  return addChardev(system, label, backendFromText(text));
}
