import { writeFile } from 'node:fs/promises';
import { DocumentSigner } from '../../attestation/attester.js';
import { PCR_SIZE } from '../../attestation/pcr-bank.js';
import { toPem } from '../../attestation/pem.js';
import { givenRoot, keptRoot } from '../../hw/nitro/attestation-ca-files.js';
import { ToolOptions, UsageError } from '../tool-options.js';
import { part, partOptions, pcrOptions, registers } from './options.js';

/** Registers that an enclave's document always lists. */
const LOCKED_AT_BOOT = 16;
const authorityOptions = ['dir', 'key', 'cert'] as const;
const names = {
  valued: [...authorityOptions, 'module-id', 'region', 'at', 'leaf-lifetime', 'output', ...pcrOptions, ...partOptions],
  flags: ['base64'],
};

/** `nitro-attest make`: signs a document with given registers. @returns the exit status */
export async function make(
  argv: readonly string[],
  write: (bytes: Uint8Array | string) => void,
  warn: (text: string) => void,
) {
  const options = new ToolOptions(argv, names);
  refuseOperands(options);
  const given = await registers(options, warn);
  const zeros = Array.from({ length: LOCKED_AT_BOOT }, (_, i): [number, Uint8Array] => [i, new Uint8Array(PCR_SIZE)]);
  const [nonce, userData, publicKey] = await Promise.all(partOptions.map((name) => part(options, name)));
  const region = options.one('region');
  const leafLifetime = options.seconds('leaf-lifetime');
  const signer = new DocumentSigner({
    root: await authority(options),
    moduleId: options.one('module-id') ?? 'i-1234567890abcdef0-enc1234567890abcdef',
    ...(region === undefined ? {} : { region }),
    ...(leafLifetime === undefined ? {} : { leafLifetime }),
  });
  const pcrs = new Map([...zeros, ...given]);
  const document = signer.sign({ pcrs, nonce, userData, publicKey }, options.time('at') ?? Date.now());
  const content = options.has('base64') ? `${Buffer.from(document).toString('base64')}\n` : document;
  const output = options.one('output');
  if (output === undefined) write(content);
  else await writeFile(output, content);
  return 0;
}

/** `nitro-attest root`: prints the root certificate, in PEM; a directory without one gets one. @returns the exit status */
export async function root(argv: readonly string[], write: (text: string) => void) {
  const options = new ToolOptions(argv, { valued: authorityOptions, flags: [] });
  refuseOperands(options);
  write(toPem((await authority(options)).certificate));
  return 0;
}

function authority(options: ToolOptions) {
  const dir = options.one('dir');
  const key = options.one('key');
  const cert = options.one('cert');
  if (dir !== undefined && key === undefined && cert === undefined) return keptRoot(dir);
  if (dir === undefined && key !== undefined && cert !== undefined) return givenRoot(key, cert);
  throw new UsageError("the authority is either '--dir DIR' or '--key PEM --cert PEM'");
}

function refuseOperands(options: ToolOptions): void {
  const [first] = options.operands;
  if (first !== undefined) throw new UsageError(`'${first}' is not an option`);
}
