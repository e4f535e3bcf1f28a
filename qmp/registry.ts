import type { Command } from './command.js';

/** A group of commands whose code is loaded when one of them is first used. */
interface Area {
  readonly load: () => Promise<{ readonly commands: readonly Command[] }>;
  readonly names: string;
}

const areas: readonly Area[] = [
  {
    load: () => import('./commands/qom.js'),
    names: 'qom-list qom-get qom-set qom-list-get qom-list-types qom-list-properties device-list-properties',
  },
  {
    load: () => import('./commands/devices.js'),
    names: 'device_add device_del',
  },
  {
    load: () => import('./commands/objects.js'),
    names: 'object-add object-del query-memdev query-iothreads',
  },
  {
    load: () => import('./commands/run-state.js'),
    names: `query-status stop cont quit system_reset system_powerdown system_wakeup inject-nmi set-action
      watchdog-set-action x-exit-preconfig query-current-machine`,
  },
  {
    load: () => import('./commands/machine.js'),
    names: `query-name query-uuid query-target query-machines query-kvm query-accelerators query-cpus-fast
      query-hotpluggable-cpus query-memory-devices query-memory-size-summary set-numa-node`,
  },
  {
    load: () => import('./commands/cpu-models.js'),
    names: 'query-cpu-definitions query-cpu-model-expansion',
  },
  {
    load: () => import('./commands/introspection.js'),
    names: 'query-version query-commands query-events query-qmp-schema query-command-line-options',
  },
  {
    load: () => import('./commands/descriptors.js'),
    names: 'getfd closefd add-fd remove-fd query-fdsets',
  },
  {
    load: () => import('./commands/nitro.js'),
    names: 'x-nitro-query-enclave x-nitro-query-pcrs x-nitro-query-attestation-root x-nitro-inject',
  },
  {
    load: () => import('./commands/virtio.js'),
    names: `x-query-virtio x-query-virtio-status x-query-virtio-queue-status x-query-virtio-vhost-queue-status
      x-query-virtio-queue-element`,
  },
  {
    load: () => import('./commands/trace.js'),
    names: 'trace-event-get-state trace-event-set-state',
  },
  {
    load: () => import('./commands/memory.js'),
    names: 'pmemsave memsave dump-guest-memory query-dump query-dump-guest-memory-capability',
  },
  {
    load: () => import('./commands/migration.js'),
    names: `query-migrate query-migrate-capabilities migrate-set-capabilities query-migrate-parameters
      migrate-set-parameters migrate_cancel migrate-pause migrate-recover query-colo-status query-dirty-rate
      query-vcpu-dirty-limit query-replay`,
  },
  {
    load: () => import('./commands/block.js'),
    names: `query-block query-blockstats query-named-block-nodes query-block-jobs query-block-exports query-jobs
      blockdev-add blockdev-del block_resize eject block-job-cancel block-job-set-speed block-job-pause
      block-job-resume block-job-complete job-pause job-resume job-cancel job-complete job-dismiss
      job-finalize`,
  },
  {
    load: () => import('./commands/net.js'),
    names: 'query-rx-filter netdev_del set_link',
  },
  {
    load: () => import('./commands/display.js'),
    names: `query-mice query-display-options query-vnc set_password expire_password screendump display-reload
      display-update`,
  },
  {
    load: () => import('./commands/absent-devices.js'),
    names: `balloon query-balloon query-hv-balloon-status-report query-vm-generation-id query-acpi-ospm-status
      query-firmware-log query-gic-capabilities query-pci query-tpm query-tpm-models query-tpm-types query-audiodevs
      query-pr-managers query-cryptodev`,
  },
  {
    load: () => import('./commands/confidential.js'),
    names: `query-sev query-sev-capabilities query-sev-launch-measure query-sev-attestation-report
      sev-inject-launch-secret query-sgx query-sgx-capabilities`,
  },
  {
    load: () => import('./commands/stats.js'),
    names: 'query-stats query-stats-schemas',
  },
  {
    load: () => import('./commands/human-text.js'),
    names: `x-query-numa x-query-ramblock x-query-usb x-query-jit x-query-roms x-query-irq x-query-interrupt-controllers
      x-accel-stats`,
  },
  {
    load: () => import('./commands/chardev.js'),
    names: `query-chardev query-chardev-backends chardev-add chardev-change chardev-remove chardev-send-break
      ringbuf-write ringbuf-read query-yank yank`,
  },
  { load: () => import('./commands/human-monitor.js'), names: 'human-monitor-command' },
];

const areaOf = new Map<string, Area>(
  areas.flatMap((area) => area.names.split(/\s+/).map((name): [string, Area] => [name, area])),
);
const loaded = new Map<string, Command>();

/** Commands that `exec-oob` may run; known before their code is loaded. */
export const outOfBandCommands: ReadonlySet<string> = new Set([
  'migrate-pause',
  'migrate-recover',
  'query-yank',
  'yank',
]);

/** Names of all commands. qmp_capabilities is the session's own and in none of the areas. */
export function commandNames(): string[] {
  return [...areaOf.keys()];
}

export function hasCommand(name: string): boolean {
  return areaOf.has(name);
}

/** The command if its code is here already. */
export function loadedCommand(name: string): Command | undefined {
  return loaded.get(name);
}

async function loadArea(area: Area): Promise<void> {
  for (const command of (await area.load()).commands) loaded.set(command.name, command);
}

/** Loads the code of a known command. */
export async function loadCommand(name: string): Promise<Command> {
  const area = areaOf.get(name);
  if (area !== undefined) await loadArea(area);
  const command = loaded.get(name);
  if (command === undefined) throw new Error(`command ${name} is in the index but not declared`);
  return command;
}

/** All commands, in the order of the index. */
export async function allCommands(): Promise<Command[]> {
  await Promise.all(areas.map(loadArea));
  return Promise.all(commandNames().map((name) => loadedCommand(name) ?? loadCommand(name)));
}
