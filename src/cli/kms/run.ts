import { toPem } from '../../attestation/pem.js';
import { asError, QemuError } from '../../system/errors.js';
import { ToolOptions, UsageError } from '../tool-options.js';

export const helpText = `usage: nitro-kms COMMAND [OPTION]...

A stand-in for AWS KMS on this host: Encrypt, Decrypt, GenerateDataKey and GenerateRandom with attestation documents.

  serve       answer requests until SIGINT or SIGTERM
  create-key  add a key to a keys file
  root        print the root certificate of HTTPS in PEM

serve:
  --root PEM             root of the attestation documents to accept (nitro-attest root); may be repeated
  --keys FILE            keys, as create-key makes them
  --key ALIAS[,policy=FILE]
                         a key that is gone with the process; may be repeated
  --listen ADDRESS       HTTP: [HOST:]PORT on loopback, unix:PATH or vsock:[CID:]PORT; default 127.0.0.1:8180
  --https ADDRESS        HTTPS, with a certificate for kms.REGION.amazonaws.com; needs --dir
  --dir DIR              keeps the root of HTTPS, made on first use
  --region REGION        default us-east-1
  --credentials FILE     verify signatures: [{"accessKeyId": ..., "secretAccessKey": ..., "arn": ...}]
  --max-age SECONDS      of attestation documents, default 300
  --quiet                no line for each request

create-key: --keys FILE [--alias NAME] [--policy FILE]     prints the key's id
root:       --dir DIR

Exit status: 0, 1 when a file or an address cannot be used, 2 for wrong usage.
`;

export interface KmsOutput {
  readonly write: (text: string) => void;
  /** One line for standard error. */
  readonly warn: (text: string) => void;
  /** Settles when the server shall end. */
  readonly ended: () => Promise<void>;
}

/** Runs a command of nitro-kms. @returns the exit status */
export async function runKms(argv: readonly string[], output: KmsOutput): Promise<number> {
  try {
    return await run(argv, output);
  } catch (error) {
    if (error instanceof UsageError) {
      output.warn(`${error.message}\nTry 'nitro-kms --help'.`);
      return 2;
    }
    const hint = error instanceof QemuError ? error.hint : undefined;
    output.warn(hint === undefined ? asError(error).message : `${asError(error).message}\n${hint}`);
    return 1;
  }
}

async function run([command, ...rest]: readonly string[], { write, warn, ended }: KmsOutput): Promise<number> {
  switch (command) {
    case 'serve': {
      const { serve } = await import('./serve.js');
      const end = ended();
      const serving = await serve(rest, warn);
      for (const url of serving.urls) write(`${url}\n`);
      await end;
      await serving.close();
      return 0;
    }
    case 'create-key':
      write(`${await createKey(rest)}\n`);
      return 0;
    case 'root':
      write(await root(rest));
      return 0;
    case '-h':
    case '--help':
    case 'help':
      write(helpText);
      return 0;
    default:
      throw new UsageError(command === undefined ? 'the command is missing' : `there is no command '${command}'`);
  }
}

async function createKey(argv: readonly string[]): Promise<string> {
  const options = new ToolOptions(argv, { valued: ['keys', 'alias', 'policy'], flags: [] });
  const { newKey, openKey } = await import('../../kms/keys.js');
  const { addKey, readJson } = await import('./keys-file.js');
  const policy = options.one('policy');
  const key = newKey(options.one('alias'), policy === undefined ? undefined : await readJson(policy));
  openKey(key);
  await addKey(options.required('keys'), key);
  return key.KeyId;
}

async function root(argv: readonly string[]): Promise<string> {
  const dir = new ToolOptions(argv, { valued: ['dir'], flags: [] }).required('dir');
  const { keptRoot } = await import('../../hw/nitro/attestation-ca-files.js');
  const { tlsRoot } = await import('../../kms/tls.js');
  return toPem((await keptRoot(dir, tlsRoot)).certificate);
}
