import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { readRoot } from '../../attestation/pem.js';
import { keptRoot } from '../../hw/nitro/attestation-ca-files.js';
import { KeyStore, type KmsKey, newKey, openKey } from '../../kms/keys.js';
import { createKmsServer } from '../../kms/server.js';
import { KmsService } from '../../kms/service.js';
import type { Credentials } from '../../kms/sigv4.js';
import { serverIdentity, tlsRoot } from '../../kms/tls.js';
import { asError } from '../../system/errors.js';
import { isJsonObject } from '../../system/json.js';
import { ToolOptions, UsageError } from '../tool-options.js';
import { readJson, readKeys } from './keys-file.js';
import { type Address, listen, parseAddress } from './listen.js';

const names = {
  valued: ['root', 'keys', 'key', 'listen', 'https', 'dir', 'region', 'credentials', 'max-age'],
  flags: ['quiet'],
};
const DEFAULT_ADDRESS = '127.0.0.1:8180';

export interface Serving {
  /** Addresses in use: `http://...`, `https://...`. */
  readonly urls: readonly string[];
  /** Ends all connections. */
  close(): Promise<void>;
}

/** `nitro-kms serve`. @param log a line for standard error. @throws UsageError, Error */
export async function serve(argv: readonly string[], log: (line: string) => void): Promise<Serving> {
  const options = new ToolOptions(argv, names);
  const [operand] = options.operands;
  if (operand !== undefined) throw new UsageError(`'${operand}' is not an option`);
  const region = options.one('region') ?? 'us-east-1';
  const secure = options.all('https').map(parseAddress);
  const plain = options.all('listen').map(parseAddress);
  if (secure.length === 0 && plain.length === 0) plain.push(parseAddress(DEFAULT_ADDRESS));
  const dir = options.one('dir');
  if (secure.length > 0 && dir === undefined) throw new UsageError("option '--https' needs '--dir DIR'");
  const maxAge = options.seconds('max-age');
  const keys = new KeyStore(await openKeys(options), region);
  for (const key of keys.keys) log(`key ${keys.arn(key)}${key.alias === undefined ? '' : ` ${key.alias}`}`);
  const service = new KmsService({
    keys,
    roots: await openRoots(options),
    ...(maxAge === undefined ? {} : { maxAge }),
  });
  const credentials = await openCredentials(options.one('credentials'));
  const common = { service, credentials, log: options.has('quiet') ? () => undefined : log };
  const tls = dir === undefined ? undefined : serverIdentity(await keptRoot(dir, tlsRoot), region, Date.now());
  const servers: Server[] = [];
  const start = async (scheme: string, address: Address): Promise<string> => {
    const server = createKmsServer(scheme === 'https' && tls !== undefined ? { ...common, tls } : common);
    servers.push(server);
    return `${scheme}://${await listen(server, address)}`;
  };
  const close = async () => {
    await Promise.all(servers.map(closeServer));
  };
  try {
    const urls: string[] = [];
    for (const address of plain) urls.push(await start('http', address));
    for (const address of secure) urls.push(await start('https', address));
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A server that has not listened itself has nothing to close but its connections.
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function openKeys(options: ToolOptions): Promise<KmsKey[]> {
  const file = options.one('keys');
  const stored = file === undefined ? [] : await readKeys(file);
  for (const text of options.all('key')) {
    const [, alias = '', policy] = /^([^,]*)(?:,policy=(.+))?$/.exec(text) ?? [];
    if (alias === '') throw new UsageError(`option '--key' takes ALIAS[,policy=FILE], not '${text}'`);
    stored.push(newKey(alias, policy === undefined ? undefined : await readJson(policy)));
  }
  return stored.map(openKey);
}

async function openRoots(options: ToolOptions): Promise<Uint8Array[]> {
  const files = options.all('root');
  if (files.length === 0) throw new UsageError("option '--root' is missing");
  return Promise.all(
    files.map(async (file) => {
      try {
        return readRoot(await readFile(file));
      } catch (error) {
        throw new Error(`cannot use the root certificate '${file}': ${asError(error).message}`);
      }
    }),
  );
}

/** A list of {"accessKeyId", "secretAccessKey", "sessionToken", "arn"}. */
async function openCredentials(file: string | undefined): Promise<Credentials[]> {
  if (file === undefined) return [];
  const content = await readJson(file);
  const list = Array.isArray(content) ? content : [content];
  return list.map((entry) => {
    if (!isJsonObject(entry)) throw new Error(`cannot use '${file}': it is not a list of objects`);
    const { accessKeyId, secretAccessKey, sessionToken, arn, ...rest } = entry;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new Error(`cannot use '${file}': it has an unknown member '${unknown}'`);
    const optional = [sessionToken, arn].every((value) => value === undefined || typeof value === 'string');
    if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string' || !optional) {
      throw new Error(`cannot use '${file}': accessKeyId and secretAccessKey must be there, all must be texts`);
    }
    return {
      accessKeyId,
      secretAccessKey,
      ...(typeof sessionToken === 'string' ? { sessionToken } : {}),
      ...(typeof arn === 'string' ? { arn } : {}),
    };
  });
}
