import type { Server } from 'node:http';
import { UsageError } from '../tool-options.js';

/** Where a server listens. */
export type Address =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'vsock'; readonly cid: number | undefined; readonly port: number };

const forms = '[HOST:]PORT on loopback, unix:PATH or vsock:[CID:]PORT';

/** @throws UsageError for anything else than the forms above */
export function parseAddress(text: string): Address {
  const wrong = () => new UsageError(`'${text}' is not an address: ${forms}`);
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '') throw wrong();
    return { type: 'unix', path };
  }
  const vsock = /^vsock:(?:(\d+):)?(\d+)$/.exec(text);
  if (vsock !== null) {
    const [, cid, port] = vsock;
    const numbers = { cid: cid === undefined ? undefined : Number(cid), port: Number(port) };
    if (Math.max(numbers.cid ?? 0, numbers.port) > 0xffff_ffff) throw wrong();
    return { type: 'vsock', ...numbers };
  }
  const [, host = '127.0.0.1', port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) throw wrong();
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  // Whoever reaches the server can use its keys.
  if (bare !== 'localhost' && bare !== '::1' && !/^127(\.\d{1,3}){3}$/.test(bare)) throw wrong();
  return { type: 'tcp', host: bare, port: Number(port) };
}

/** Lets a server listen. @returns the address in use, as users write it. @throws Error when it cannot */
export async function listen(server: Server, address: Address): Promise<string> {
  if (address.type === 'vsock') {
    const { listenVsock } = await import('../../host/vsock.js');
    const { cid, port } = address;
    const socket = listenVsock({ port, ...(cid === undefined ? {} : { cid }), allowHalfOpen: true });
    socket.on('connection', (stream) => server.emit('connection', stream));
    server.on('close', () => socket.close());
    return `vsock:${socket.address().port}`;
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const where = address.type === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return `unix:${bound}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
