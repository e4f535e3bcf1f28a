/** How an option is honoured on the machines that exist here. */
export type Effect =
  /** Something happens. */
  | 'acts'
  /** Read, and without effect on these machines. */
  | 'accepted'
  /** Ends the start-up with the sentence of `refusal`. */
  | 'refused';

export interface OptionSpec {
  /** Without its dash. */
  readonly name: string;
  /** What its argument is, as help shows it; absent when it takes none. */
  readonly argument?: string;
  readonly help: string;
  readonly effect: Effect;
  /** Error sentence of a refused option, `%s` for its argument. */
  readonly refusal?: string;
  /** An argument that is not refused. */
  readonly harmless?: string;
  /** The option that this is another name of. */
  readonly alias?: string;
}

export interface OptionSection {
  readonly title: string;
  readonly options: readonly OptionSpec[];
}

type Argument = string | undefined;

const none: Argument = undefined;
const option = (effect: Effect, name: string, argument: Argument, help: string): OptionSpec => ({
  name,
  ...(argument === undefined ? {} : { argument }),
  help,
  effect,
});
const acts = (name: string, argument: Argument, help: string) => option('acts', name, argument, help);
const accepted = (name: string, argument: Argument, help: string) => option('accepted', name, argument, help);
const refused = (name: string, argument: Argument, help: string, refusal: string) => ({
  ...option('refused', name, argument, help),
  refusal,
});
const alias = (name: string, of: OptionSpec): OptionSpec => ({ ...of, name, alias: of.name });

const otherTarget = 'Option not supported for this target';
const noDrive = (type: string, unit = 0) => `machine type does not support if=${type},bus=0,unit=${unit}`;

const help = acts('h', none, 'print this text and exit');
const machine = acts(
  'machine',
  '[type=]name[,prop=value...]',
  "choose the machine and its properties ('-machine help' lists)",
);

/** Every option, in the order and sections of the help text. Names and arguments are QEMU 10.2's (qemu-options.hx). */
export const optionSections: readonly OptionSection[] = [
  {
    title: 'Standard options',
    options: [
      help,
      alias('help', help),
      acts('version', none, 'print the version and exit'),
      machine,
      alias('M', machine),
      acts('cpu', 'model[,+feature...]', "choose the CPU model ('-cpu help' lists)"),
      acts('accel', '[accel=]name[,prop=value...]', 'choose what runs the guest; repeated, the first that can wins'),
      acts(
        'smp',
        '[cpus=]n[,maxcpus=n][,sockets=n][,dies=n][,clusters=n][,modules=n][,cores=n][,threads=n]',
        'number and arrangement of vCPUs',
      ),
      refused(
        'numa',
        'node[,memdev=id][,cpus=first[-last]][,nodeid=n]',
        'NUMA nodes of the guest',
        'NUMA is not supported by this machine-type',
      ),
      acts('add-fd', 'fd=n,set=n[,opaque=text]', 'put an inherited descriptor into a set, as /dev/fdset/N'),
      acts('set', 'group.id.key=value', 'change a key of an option given before'),
      acts('global', 'driver.property=value', 'default of a property for every device of a type'),
      acts(
        'boot',
        '[order=drives][,once=drives][,menu=on|off][,strict=on|off]',
        'boot order; no machine here boots from a drive',
      ),
      acts('m', '[size=]mebibytes[,slots=n][,maxmem=size]', 'guest memory; a suffix k, M, G, T sets another unit'),
      acts('mem-path', 'path', 'back guest memory with a file'),
      acts('mem-prealloc', none, 'reserve all guest memory at the start'),
      accepted('k', 'language', 'keyboard layout'),
      accepted('audio', '[driver=]name[,model=name][,prop=value...]', 'sound back end and card'),
      accepted('audiodev', '[driver=]name,id=id[,prop=value...]', 'sound back end'),
      acts(
        'device',
        'driver[,prop=value...]',
        "add a device ('-device help' lists, '-device driver,help' its properties)",
      ),
      acts('name', '[guest=]name[,process=name][,debug-threads=on|off]', 'name the guest, the process and its threads'),
      acts('uuid', 'uuid', 'identify the guest'),
    ],
  },
  {
    title: 'Block device options',
    options: [
      refused('fda', 'file', 'image of the first floppy disk', noDrive('floppy')),
      refused('fdb', 'file', 'image of the second floppy disk', noDrive('floppy', 1)),
      acts('hda', 'file', 'image of hard disk 0; must exist, and no machine here reads it'),
      acts('hdb', 'file', 'image of hard disk 1'),
      acts('hdc', 'file', 'image of hard disk 2'),
      acts('hdd', 'file', 'image of hard disk 3'),
      acts('cdrom', 'file', 'image of a CD-ROM'),
      acts('blockdev', '[driver=]name[,node-name=name][,prop=value...]', 'add a block node'),
      acts('drive', '[file=file][,if=type][,format=name][,id=id][,prop=value...]', 'add a drive'),
      refused('mtdblock', 'file', 'image of on-board flash memory', noDrive('mtd')),
      refused('sd', 'file', 'image of an SD card', noDrive('sd')),
      accepted('snapshot', none, 'write to temporary files instead of the images'),
      accepted('fsdev', 'driver,id=id[,path=path][,security_model=model][,prop=value...]', 'share a host directory'),
      refused(
        'virtfs',
        'driver,mount_tag=tag[,prop=value...]',
        'share a host directory with a device for it',
        "No 'PCI' bus found for device 'virtio-9p-pci'",
      ),
      refused('iscsi', '[user=name][,prop=value...]', 'iSCSI session', "There is no option group 'iscsi'"),
    ],
  },
  {
    title: 'USB convenience options',
    options: [
      accepted('usb', none, 'add a USB host controller'),
      refused('usbdevice', 'name', 'add a USB device', "could not add USB device '%s'"),
    ],
  },
  {
    title: 'Display options',
    options: [
      acts('display', 'type[,prop=value...]', "where to show the guest's screen; no machine here has one"),
      acts('nographic', none, 'serial port and monitor on the terminal, no window'),
      refused('spice', 'prop=value[,...]', 'SPICE server', 'spice support is disabled'),
      accepted('vga', 'type', 'kind of graphics card'),
      accepted('full-screen', none, 'start with the whole screen'),
      refused('g', 'WxH[xDEPTH]', 'resolution at start', otherTarget),
      { ...refused('vnc', 'display', "VNC server; only 'none' is taken", 'VNC support is disabled'), harmless: 'none' },
    ],
  },
  {
    title: 'i386 target only',
    options: [
      accepted('win2k-hack', none, 'slow disk writes for the installer of Windows 2000'),
      accepted('no-fd-bootchk', none, "do not check a floppy disk's boot signature"),
      // Gone from QEMU since 9.0; libvirt 9 sends -no-acpi to every machine it does not know.
      accepted('no-acpi', none, "old form of '-machine acpi=off'"),
      accepted('no-hpet', none, "old form of '-machine hpet=off'"),
      accepted('acpitable', 'file=path|data=path[,sig=text][,prop=value...]', 'add an ACPI table'),
      accepted('smbios', 'file=path|type=n[,prop=value...]', 'add or fill an SMBIOS table'),
    ],
  },
  {
    title: 'Network options',
    options: [
      accepted('netdev', 'type,id=id[,prop=value...]', 'network back end; no machine here has a card for it'),
      accepted('nic', 'type[,prop=value...]', 'on-board network card with its back end'),
      accepted('net', 'type[,prop=value...]', 'old form of -nic'),
    ],
  },
  {
    title: 'Character device options',
    options: [
      acts(
        'chardev',
        'backend,id=id[,mux=on|off][,logfile=path][,prop=value...]',
        "add a character device ('-chardev help' lists)",
      ),
    ],
  },
  {
    title: 'TPM device options',
    options: [
      refused('tpmdev', 'type,id=id[,prop=value...]', 'TPM back end', "Parameter 'type' expects a TPM backend type"),
    ],
  },
  {
    title: 'Boot Image or Kernel specific',
    options: [
      accepted('bios', 'file', 'firmware image; enclaves have none'),
      refused('pflash', 'file', 'image of parallel flash memory', noDrive('pflash')),
      acts('kernel', 'file', 'EIF, or a Linux kernel that is made into one'),
      accepted('shim', 'file', 'shim for secure boot'),
      acts('append', 'text', 'kernel command line'),
      acts('initrd', 'file', 'initial ramdisk'),
      accepted('dtb', 'file', 'device tree'),
    ],
  },
  {
    title: 'Debug/Expert options',
    options: [
      accepted(
        'compat',
        'deprecated-input=accept|reject|crash[,prop=value...]',
        'what the monitor does with deprecated and unstable parts',
      ),
      refused('fw_cfg', '[name=]name,file=path|string=text', 'blob for the firmware', 'fw_cfg device not available'),
      acts('serial', 'dev', 'character device of the next serial port'),
      acts('parallel', 'dev', 'character device of the next parallel port'),
      acts('monitor', 'dev', 'monitor for people on a character device'),
      acts('qmp', 'dev', 'monitor for programs (QMP) on a character device'),
      acts('qmp-pretty', 'dev', 'the same with indented JSON'),
      acts(
        'mon',
        '[chardev=]id[,mode=readline|control][,pretty=on|off]',
        'monitor on a character device given with -chardev',
      ),
      acts('debugcon', 'dev', 'character device of the debug console'),
      acts('pidfile', 'file', 'write the process id to a file'),
      acts('preconfig', none, 'wait for x-exit-preconfig before the machine is made'),
      acts('S', none, "do not start the guest until 'cont'"),
      accepted('overcommit', '[mem-lock=on|off][,cpu-pm=on|off]', 'how much of the host the guest may assume'),
      acts('gdb', 'dev', 'serve the remote protocol of gdb on a character device'),
      acts('s', none, 'short for -gdb tcp::1234'),
      acts('d', 'item[,...]', "log what happens ('-d help' lists)"),
      acts('D', 'file', 'write the log to a file instead of stderr'),
      accepted('dfilter', 'range[,...]', 'addresses for -d'),
      accepted('seed', 'number', 'seed of the random numbers'),
      accepted('L', 'path', 'directory of firmware and keyboard layouts'),
      acts('enable-kvm', none, 'short for -accel kvm'),
      refused('xen-domid', 'id', 'Xen domain', otherTarget),
      refused('xen-attach', none, 'attach to a Xen domain', otherTarget),
      refused('xen-domid-restrict', none, 'limit Xen operations to the domain', otherTarget),
      acts('no-reboot', none, 'exit instead of rebooting'),
      acts('no-shutdown', none, 'stay when the guest is gone'),
      acts(
        'action',
        '[reboot=action][,shutdown=action][,panic=action][,watchdog=action]',
        'what to do on these events',
      ),
      acts('loadvm', 'tag', 'start from a snapshot'),
      acts('daemonize', none, 'go to the background once started'),
      accepted('option-rom', 'file', 'option ROM'),
      accepted('rtc', '[base=utc|localtime|date][,clock=host|rt|vm][,driftfix=none|slew]', 'clock of the guest'),
      accepted('icount', '[shift=]n|auto[,align=on|off][,sleep=on|off]', 'time by executed instructions'),
      acts('watchdog-action', 'action', 'short for -action watchdog=action'),
      acts('echr', 'code', 'escape character of the terminal instead of ctrl-a'),
      refused('incoming', 'uri|defer', 'take a migrated guest', 'migration is not supported by any machine here'),
      accepted('only-migratable', none, 'refuse devices that cannot migrate'),
      acts('nodefaults', none, 'no default devices'),
      refused('prom-env', 'variable=value', 'OpenBIOS variable', otherTarget),
      refused('semihosting', none, 'semihosting calls', otherTarget),
      refused(
        'semihosting-config',
        '[enable=on|off][,target=native|gdb|auto][,chardev=id]',
        'how semihosting works',
        otherTarget,
      ),
      accepted(
        'sandbox',
        'on|off[,obsolete=allow|deny][,elevateprivileges=allow|deny|children][,spawn=allow|deny]',
        'system call filter',
      ),
      acts('readconfig', 'file', 'read options from a file'),
      accepted('no-user-config', none, 'do not read configuration files; there are none'),
      acts('trace', '[[enable=]pattern][,events=file][,file=file]', "turn on trace points ('-trace help' lists)"),
      refused(
        'plugin',
        '[file=]file[,arg=value...]',
        'load a TCG plugin',
        'plugin interface not enabled in this build',
      ),
      acts('qtest', 'dev', 'serve the device test protocol'),
      acts('qtest-log', 'file', 'log of the device test protocol'),
      acts(
        'run-with',
        '[async-teardown=on|off][,chroot=dir][,user=name|uid:gid][,exit-with-parent=on|off]',
        'surroundings of the process',
      ),
      acts('msg', '[timestamp=on|off][,guest-name=on|off]', 'form of messages'),
      refused(
        'dump-vmstate',
        'file',
        'describe the migration format',
        'migration is not supported by any machine here',
      ),
      accepted('enable-sync-profile', none, 'measure lock contention'),
      accepted('perfmap', none, 'symbols for perf'),
      accepted('jitdump', none, 'code for perf'),
    ],
  },
  {
    title: 'Generic object creation',
    options: [acts('object', 'type,id=id[,prop=value...]', "add an object under /objects ('-object help' lists)")],
  },
];

const byName: ReadonlyMap<string, OptionSpec> = new Map(
  optionSections.flatMap((section) => section.options.map((spec) => [spec.name, spec])),
);

/** The option of that name, without dashes. */
export function findOption(name: string): OptionSpec | undefined {
  return byName.get(name);
}

/** Why this option with this argument ends the start-up; undefined when it does not. */
export function refusal(spec: OptionSpec, value: string | undefined): string | undefined {
  if (spec.harmless !== undefined && value === spec.harmless) return undefined;
  return spec.refusal?.replace('%s', () => value ?? '');
}
