import { readFile } from 'node:fs/promises';
import { QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import { secretBytes } from '../system/secret.js';
import type { System } from '../system/system.js';
import type { BackendData } from './backend.js';
import { tokenDigest } from './websocket-access.js';
import type { WebSocketOptions } from './websocket-layer.js';

const DEFAULT_MAX_MESSAGE = 1024 * 1024;
const DEFAULT_SILENCE_MS = 60_000;
/** Shorter tokens can be guessed. */
const MIN_TOKEN = 16;

/** Options of a WebSocket endpoint, its token read. @throws QemuError */
export async function readAccess(system: System, options: BackendData['socket']): Promise<WebSocketOptions> {
  const token = await readToken(system, options);
  return {
    origins: new Set((options['x-origins'] ?? []).map(origin)),
    token: token === undefined ? undefined : tokenDigest(token),
    maxMessage: options['x-max-message'] ?? DEFAULT_MAX_MESSAGE,
    silenceMs: options['x-silence-ms'] ?? DEFAULT_SILENCE_MS,
  };
}

/** As browsers write it in the header. @throws QemuError */
function origin(text: string): string {
  if (text === 'null') return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // URL knows the origin of web schemes only.
  if (url === undefined || url.host === '' || (url.pathname !== '/' && url.pathname !== '') || url.search !== '') {
    throw new QemuError(`Parameter 'x-origins' expects origins such as https://console.example, not '${text}'`);
  }
  return `${url.protocol}//${url.host}`;
}

async function readToken(system: System, options: BackendData['socket']): Promise<string | undefined> {
  const [file, secret] = [options['x-token-file'], options['x-token-secret']];
  if (file !== undefined && secret !== undefined) {
    throw new QemuError("'x-token-file' and 'x-token-secret' are mutually exclusive");
  }
  if (file === undefined && secret === undefined) return undefined;
  const token = (secret !== undefined ? secretBytes(system.tree, secret) : await readTokenFile(file ?? '')).toString();
  const trimmed = token.trim();
  if (trimmed.length < MIN_TOKEN || /\s/.test(trimmed)) {
    throw new QemuError(`The bearer token must have at least ${MIN_TOKEN} characters and no blanks`, {
      hint: 'Make one with: openssl rand -hex 32',
    });
  }
  return trimmed;
}

async function readTokenFile(path: string): Promise<Buffer> {
  return readFile(path).catch((error) => {
    throw new QemuError(`Unable to read token file ${path}: ${osErrorText(error)}`, { cause: error });
  });
}
