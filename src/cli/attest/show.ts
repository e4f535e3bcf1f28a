import { X509Certificate } from 'node:crypto';
import { decodeSign1Parts } from '../../attestation/cose.js';
import { decodeDocument } from '../../attestation/document.js';
import { ToolOptions, UsageError } from '../tool-options.js';
import { readDocument } from './read-document.js';

const hex = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : Buffer.from(bytes).toString('hex');

/** `nitro-attest show`: prints what a document says, as JSON, without verifying any of it. @returns the exit status */
export async function show(argv: readonly string[], print: (text: string) => void, warn: (text: string) => void) {
  const options = new ToolOptions(argv, { valued: [], flags: [] });
  const [path, ...others] = options.operands;
  if (path === undefined) throw new UsageError('the document is missing');
  if (others.length > 0) throw new UsageError(`'${others[0]}' is one document too many`);
  const message = decodeSign1Parts(await readDocument(path));
  const document = decodeDocument(message.payload);
  const content = {
    protected: hex(message.protectedHeader),
    module_id: document.moduleId,
    digest: 'SHA384',
    timestamp: new Date(document.timestamp).toISOString(),
    pcrs: Object.fromEntries([...document.pcrs].map(([index, value]) => [`PCR${index}`, hex(value)])),
    certificate: describe(document.certificate),
    cabundle: document.cabundle.map(describe),
    public_key: hex(document.publicKey),
    user_data: hex(document.userData),
    nonce: hex(document.nonce),
    signature: hex(message.signature),
  };
  print(`${JSON.stringify(content, undefined, 2)}\n`);
  warn('nothing of this is verified');
  return 0;
}

function describe(der: Uint8Array): object {
  try {
    const { subject, issuer, validFrom, validTo, fingerprint256 } = new X509Certificate(der);
    return {
      subject: subject.replaceAll('\n', ', '),
      issuer: issuer.replaceAll('\n', ', '),
      not_before: validFrom,
      not_after: validTo,
      sha256: fingerprint256,
    };
  } catch {
    return { bytes: hex(der) };
  }
}
