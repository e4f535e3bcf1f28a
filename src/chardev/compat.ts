import { QemuError } from '../system/errors.js';

/** Types whose text is their name. */
const bare = ['null', 'pty', 'msmouse', 'wctablet', 'braille', 'testdev', 'stdio'];

/** A value in option text: its commas doubled. */
function quoted(value: string): string {
  return value.replaceAll(',', ',,');
}

/** `HOST:PORT` or `:PORT` with QEMU's limits on their lengths, and what follows. */
function hostAndPort(text: string, stops: string): { host: string; port: string; rest: string } | undefined {
  const match =
    new RegExp(`^([^:]{1,64}):([^${stops}]{1,32})`).exec(text) ?? new RegExp(`^():([^${stops}]{1,32})`).exec(text);
  if (match === null) return undefined;
  const [all, host = '', port = ''] = match;
  return { host, port, rest: text.slice(all.length) };
}

function socketText(protocol: string, text: string): string | undefined {
  const target = hostAndPort(text, ',');
  if (target === undefined) return undefined;
  const tail = target.rest.startsWith(',') ? target.rest : '';
  const telnet = protocol === 'tcp' ? '' : `,${protocol}=on`;
  return `backend=socket,host=${quoted(target.host)},port=${target.port}${tail}${telnet}`;
}

function udpText(text: string): string | undefined {
  const remote = hostAndPort(text, '@,');
  if (remote === undefined) return undefined;
  const options = `backend=udp,host=${quoted(remote.host)},port=${remote.port}`;
  if (!remote.rest.startsWith('@')) return options;
  const local = hostAndPort(remote.rest.slice(1), ',');
  if (local === undefined) return undefined;
  return `${options},localaddr=${quoted(local.host)},localport=${local.port}`;
}

/** The text is an option group of its own, whose first key is `path`. */
function unixText(rest: string): string {
  const implied = rest === '' || /^[^=,]*=/.test(rest) ? '' : 'path=';
  return `backend=socket,${implied}${rest}`;
}

/** Not QEMU's: `CID:PORT` as two numbers. */
function vsockText(text: string): string | undefined {
  const [, cid, port, tail = ''] = /^(\d+):(\d+)(,.*)?$/s.exec(text) ?? [];
  return cid === undefined ? undefined : `backend=socket,x-cid=${cid},port=${port}${tail}`;
}

function vcText(text: string): string | undefined {
  if (!text.startsWith(':')) return 'backend=vc';
  const pixels = /^:(\d{1,7})x(\d{1,7})/.exec(text);
  if (pixels !== null) return `backend=vc,width=${pixels[1]},height=${pixels[2]}`;
  const characters = /^:(\d{1,7})Cx(\d{1,7})/.exec(text);
  if (characters !== null) return `backend=vc,cols=${characters[1]},rows=${characters[2]}`;
  return undefined;
}

const byPrefix: readonly (readonly [string, (rest: string, text: string) => string | undefined])[] = [
  ['vc', vcText],
  ['COM', (_, text) => `backend=serial,path=${quoted(text)}`],
  ['file:', (path) => `backend=file,path=${quoted(path)}`],
  ['pipe:', (path) => `backend=pipe,path=${quoted(path)}`],
  ['pty:', (path) => `backend=pty,path=${quoted(path)}`],
  ['tcp:', (rest) => socketText('tcp', rest)],
  ['telnet:', (rest) => socketText('telnet', rest)],
  ['tn3270:', (rest) => socketText('tn3270', rest)],
  ['websocket:', (rest) => socketText('websocket', rest)],
  ['udp:', udpText],
  ['vsock:', vsockText],
  ['unix:', unixText],
  ['/dev/parport', (_, text) => `backend=parallel,path=${quoted(text)}`],
  ['/dev/ppi', (_, text) => `backend=parallel,path=${quoted(text)}`],
  ['/dev/', (_, text) => `backend=serial,path=${quoted(text)}`],
];

/**
 * The legacy text of -serial, -parallel, -monitor and -qmp as option text of the group `chardev`; `chardev:ID` and `none`
 * are the caller's. `mon:` asks for `mux=on`.
 *
 * @returns undefined for a text that QEMU refuses without a sentence of its own
 * @throws QemuError `'TEXT' is not a valid char driver`
 */
export function compatOptionText(text: string): string | undefined {
  if (text.startsWith('mon:')) {
    const inner = text.slice('mon:'.length);
    const options = plainOptionText(inner);
    // Ctrl-C is for the guest.
    const signal = inner === 'stdio' ? ',signal=off' : '';
    return options === undefined ? undefined : `${options},mux=on${signal}`;
  }
  return plainOptionText(text);
}

function plainOptionText(text: string): string | undefined {
  if (bare.includes(text)) return `backend=${text}`;
  if (text === 'con:') return 'backend=console';
  for (const [prefix, convert] of byPrefix) {
    if (text.startsWith(prefix)) return convert(text.slice(prefix.length), text);
  }
  throw new QemuError(`'${text}' is not a valid char driver`);
}
