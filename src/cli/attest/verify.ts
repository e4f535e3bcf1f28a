import { readFile } from 'node:fs/promises';
import { readRoot } from '../../attestation/pem.js';
import {
  type Expectations,
  type StepReport,
  type Verification,
  verificationSteps,
  verifyDocument,
} from '../../attestation/verify.js';
import { ToolOptions, UsageError } from '../tool-options.js';
import { part, partOptions, pcrOptions, registers } from './options.js';
import { readDocument } from './read-document.js';

/** Exit status of the first step; the others follow in their order. */
const FIRST_STEP_STATUS = 10;

const names = {
  valued: ['root', 'at', 'max-age', ...pcrOptions, ...partOptions],
  flags: ['debug-mode', 'json'],
};

/** `nitro-attest verify`: prints a line for each step. @returns the exit status */
export async function verify(argv: readonly string[], print: (text: string) => void, warn: (text: string) => void) {
  const options = new ToolOptions(argv, names);
  const [path, ...others] = options.operands;
  if (path === undefined) throw new UsageError('the document is missing');
  if (others.length > 0) throw new UsageError(`'${others[0]}' is one document too many`);
  const expected = await expectations(options, warn);
  const result = verifyDocument(await readDocument(path), expected);
  print(options.has('json') ? `${JSON.stringify(summary(result), undefined, 2)}\n` : report(result));
  return result.ok ? 0 : FIRST_STEP_STATUS + verificationSteps.indexOf(result.failed);
}

async function expectations(options: ToolOptions, warn: (text: string) => void): Promise<Expectations> {
  const rootFile = options.required('root');
  const at = options.time('at');
  const maxAge = options.seconds('max-age');
  const pcrs = await registers(options, warn);
  const [nonce, userData, publicKey] = await Promise.all(partOptions.map((name) => part(options, name)));
  let root: Uint8Array;
  try {
    root = readRoot(await readFile(rootFile));
  } catch (error) {
    throw new Error(`cannot use the root certificate '${rootFile}': ${(error as Error).message}`);
  }
  return {
    root,
    pcrs,
    debugMode: options.has('debug-mode'),
    ...(at === undefined ? {} : { at }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(nonce === undefined ? {} : { nonce }),
    ...(userData === undefined ? {} : { userData }),
    ...(publicKey === undefined ? {} : { publicKey }),
  };
}

const words: Readonly<Record<StepReport['result'], string>> = {
  passed: 'ok',
  failed: 'FAILED',
  skipped: '-',
  unreached: '-',
};

function report(result: Verification): string {
  const lines = result.steps.map(({ step, result: outcome, detail }) =>
    [words[outcome].padEnd(6), step.padEnd(10), detail].join(' '),
  );
  const skipped = result.steps.filter(({ result: outcome }) => outcome === 'skipped').map(({ step }) => step);
  const verdict = !result.ok
    ? `NOT VERIFIED: step ${result.failed} has failed`
    : skipped.length === 0
      ? 'verified'
      : `verified, without a comparison of ${skipped.join(', ')}`;
  return `${[...lines, verdict].join('\n')}\n`;
}

function summary(result: Verification): object {
  return result.ok ? { ok: true, steps: result.steps } : result;
}
