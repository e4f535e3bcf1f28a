import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { JsonObject, JsonValue } from '../system/json.js';
import { KmsError } from './errors.js';
import type { KmsService } from './service.js';
import { authenticate, type Credentials } from './sigv4.js';

export interface ServerOptions {
  readonly service: KmsService;
  /** Callers whose signatures are verified; empty: nobody's is. */
  readonly credentials: readonly Credentials[];
  /** Called with a line for each request. */
  readonly log: (line: string) => void;
  /** For HTTPS. */
  readonly tls?: SecureContextOptions;
}

/** The longest request holds an attestation document and a ciphertext in base64. */
const BODY_LIMIT = 512 * 1024;
const REQUEST_TIMEOUT = 30_000;
const CONNECTIONS = 256;
const CONTENT_TYPE = 'application/x-amz-json-1.1';
const TARGET = /^TrentService\.(\w{1,64})$/;

/** An HTTP or HTTPS server of the KMS API that listens nowhere yet; connections can be handed to it by `connection` events. */
export function createKmsServer({ service, credentials, log, tls }: ServerOptions): Server {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const id = randomUUID();
    void respond(request, service, credentials).then(({ status, content, line }) => {
      log(`${id} ${line}`);
      response.writeHead(status, { 'Content-Type': CONTENT_TYPE, 'x-amzn-RequestId': id });
      response.end(JSON.stringify(content));
    });
  };
  const server = tls === undefined ? createServer(answer) : createHttpsServer({ ...tls }, answer);
  server.requestTimeout = REQUEST_TIMEOUT;
  server.headersTimeout = REQUEST_TIMEOUT;
  server.maxConnections = CONNECTIONS;
  return server;
}

interface Reply {
  readonly status: number;
  readonly content: JsonObject;
  /** For the log. */
  readonly line: string;
}

async function respond(
  request: IncomingMessage,
  service: KmsService,
  credentials: readonly Credentials[],
): Promise<Reply> {
  let name = `${request.method} ${request.url}`;
  try {
    const target = request.headers['x-amz-target'];
    const [, operation] = TARGET.exec(String(target)) ?? [];
    const body = await readBody(request);
    if (request.method !== 'POST' || operation === undefined) {
      throw new KmsError('UnknownOperationException', 'a request is a POST with X-Amz-Target: TrentService.OPERATION');
    }
    name = operation;
    const { method, url = '/' } = request;
    const headers = request.headers as Readonly<Record<string, string | undefined>>;
    const caller = authenticate({ method, target: url, headers, body }, credentials, Date.now());
    return { status: 200, content: service.call(operation, parseBody(body), caller), line: `${name}: done` };
  } catch (error) {
    const known = error instanceof KmsError ? error : new KmsError('KMSInternalException', String(error));
    const content = { __type: known.name, message: known.message };
    return { status: known.status, content, line: `${name}: ${known.name}: ${known.message}` };
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    // Read to its end all the same: a client that is still writing does not see the answer.
    if (size <= BODY_LIMIT) parts.push(part);
  }
  if (size > BODY_LIMIT) throw new KmsError('ValidationException', `the request is longer than ${BODY_LIMIT} bytes`);
  return Buffer.concat(parts);
}

function parseBody(body: Buffer): JsonValue {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new KmsError('SerializationException', 'the request is not JSON');
  }
}
