import { asError, QemuError } from '../../system/errors.js';
import { UsageError } from '../tool-options.js';

export const helpText = `usage: nitro-attest COMMAND [OPTION]...

  verify DOC --root PEM [OPTION]...   verify a document, step by step
  show DOC                            print what a document says, verifying nothing
  root AUTHORITY                      print the root certificate of an authority in PEM
  make AUTHORITY [OPTION]...          sign a document, for tests of verifiers

DOC is a file with a document as bytes, base64 or hex; - is standard input.
AUTHORITY is --dir DIR, as -object nitro-attestation-ca,dir=DIR has it (made there when there is none), or
--key PEM --cert PEM.

verify:
  --root PEM          the trusted root certificate
  --pcr0 HEX ... --pcr31 HEX, --eif FILE
                      registers expected; those of an image are PCR0, 1, 2 and 8
  --nonce HEX, --user-data HEX, --public-key HEX
                      parts expected; @FILE instead of HEX takes a file's bytes
  --at TIME           verify as if it were this time: 2025-01-02T03:04:05Z or @1735787045
  --max-age SECONDS   refuse older documents
  --debug-mode        accept documents of enclaves in debug mode, whose PCR0 is zero
  --json              print the report as JSON

make: registers and parts as above, and
  --module-id ID, --region NAME, --at TIME, --leaf-lifetime SECONDS
  --base64            write base64 text, not bytes
  --output FILE       write there, not to standard output

Exit status: 0, 1 when a file cannot be used, 2 for wrong usage; for a document that does not verify that of the step:
10 cbor, 11 document, 12 chain, 13 validity, 14 signature, 15 timestamp, 16 pcrs, 17 nonce, 18 user-data, 19 public-key
`;

export interface ToolOutput {
  readonly write: (bytes: Uint8Array | string) => void;
  /** One line for standard error. */
  readonly warn: (text: string) => void;
}

/** Runs a command of nitro-attest. @returns the exit status */
export async function runAttest(argv: readonly string[], { write, warn }: ToolOutput): Promise<number> {
  const [command, ...rest] = argv;
  try {
    switch (command) {
      case 'verify':
        return await (await import('./verify.js')).verify(rest, write, warn);
      case 'show':
        return await (await import('./show.js')).show(rest, write, warn);
      case 'root':
        return await (await import('./make.js')).root(rest, write);
      case 'make':
        return await (await import('./make.js')).make(rest, write, warn);
      case '-h':
      case '--help':
      case 'help':
        write(helpText);
        return 0;
      default:
        throw new UsageError(command === undefined ? 'the command is missing' : `there is no command '${command}'`);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      warn(`${error.message}\nTry 'nitro-attest --help'.`);
      return 2;
    }
    const hint = error instanceof QemuError ? error.hint : undefined;
    warn(hint === undefined ? asError(error).message : `${asError(error).message}\n${hint}`);
    return 1;
  }
}
