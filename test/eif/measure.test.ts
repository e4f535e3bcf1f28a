import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Section } from '../../src/eif/codec/header.js';
import { extendPcr, measureEif, ramPayloads, type SectionPayload, textPcr } from '../../src/eif/measure.js';
import { writeRam } from '../../src/system/guest-ram.js';
import { exampleImage, otherPem, signerDerSha384, signerPem } from '../support/eif-example.js';
import { plainSections, signatureSection, text } from '../support/eif-image.js';
import { MemoryRam } from '../support/memory-ram.js';
import { thrown } from '../support/thrown.js';

const test = suite('eif measure');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const payload = (type: number, ...pieces: Uint8Array[]): SectionPayload => ({ type, pieces });

/** The registers of the worked example (spec eif.md, section 10: computed by AWS's builder). */
const example = {
  pcr0: '87f0de4f10dd6a84e349caacd97790d87ba002e13f1e7d463c3ee00218ed26d203257d7158e972964932869b535a7ede',
  pcr1: 'b1fe98d0a7a42bb6809b165a0b3903a85140b161d0ed653bf84904479fe960ef8e6644d2f5d7d741ef69662f53da17a7',
  pcr2: '3bcb5ad7f813c90b23c699e0e0b2440440086294165aebf6a7bdbe72fbde34d06dea10eecbccb6c53a087be0a91d3df1',
};
const exampleSections: Section[] = [
  { type: 1, offset: 548, payload: 560, size: 16 },
  { type: 2, offset: 576, payload: 588, size: 22 },
  { type: 5, offset: 610, payload: 622, size: 254 },
  { type: 3, offset: 876, payload: 888, size: 12 },
  { type: 3, offset: 900, payload: 912, size: 11 },
];

test("the worked example's registers come out as AWS computes them", async () => {
  const ram = new MemoryRam(2000, 13);
  writeRam(ram, 100, exampleImage);
  const { pcr0, pcr1, pcr2, pcr8 } = await measureEif(ramPayloads(ram, 100, exampleSections));
  assert.equal({ pcr0: hex(pcr0), pcr1: hex(pcr1), pcr2: hex(pcr2) }, example);
  assert.is(hex(pcr8), '00'.repeat(48));
});

test('with one ramdisk PCR2 is that of no data', async () => {
  const { pcr2 } = await measureEif(plainSections.map(({ type, bytes }) => payload(type, bytes)));
  assert.is(
    hex(pcr2),
    '21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a',
  );
});

test('the role and the instance id of the official example give its PCR3 and PCR4', () => {
  assert.is(
    hex(textPcr('arn:aws:iam::123456789012:role/Webserver')),
    '78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef4fc1f1a452e315b9e98f9e312e6921e6',
  );
  assert.is(
    hex(textPcr('i-1234567890abcdef0')),
    '08f996b5d43e047a9eb51e7f548bfee7e164fd7dc8f65541f2ac09d6545ac812719327281c401a67a10fcba87ae79ce0',
  );
});

test('PCR8 measures the DER of the first certificate, however its PEM is laid out', async () => {
  const expected = createHash('sha384').update(Buffer.alloc(48)).update(signerDerSha384, 'hex').digest('hex');
  const pems = [signerPem, `comment\n${signerPem}${signerPem}`, signerPem.replaceAll('\n', '\r\n')];
  for (const pem of pems) {
    const { pcr8 } = await measureEif([payload(4, signatureSection(pem))]);
    assert.is(hex(pcr8), expected);
  }
});

test('of several signatures the last counts, and pieces may cut anywhere', async () => {
  const expected = hex((await measureEif([payload(4, signatureSection(otherPem))])).pcr8);
  const pieces = [...signatureSection(otherPem)].map((byte) => Buffer.from([byte]));
  assert.is(hex((await measureEif([payload(4, signatureSection()), payload(4, ...pieces)])).pcr8), expected);
  assert.is.not(hex((await measureEif([payload(4, signatureSection())])).pcr8), expected);
});

test('hashes follow the order of the sections', async () => {
  const kernel = payload(1, text('k'));
  const cmdline = payload(2, text('c'));
  const forth = await measureEif([kernel, cmdline]);
  const back = await measureEif([cmdline, kernel]);
  assert.is.not(hex(forth.pcr0), hex(back.pcr0));
  const inner = createHash('sha384').update('ck').digest();
  assert.is(hex(back.pcr1), hex(extendPcr(new Uint8Array(48), inner)));
});

test('a signature section without a usable certificate is an error', async () => {
  const bad = async (section: Uint8Array) => (await thrown(() => measureEif([payload(4, section)]))).message;
  assert.is(await bad(Buffer.from([0x80])), 'Invalid signature CBOR');
  assert.is(await bad(signatureSection('not PEM')), 'Failed to import certificate');
  assert.is(await bad(signatureSection(signerPem.replace('MIIB', 'AAAA'))), 'Failed to import certificate');
  assert.match(await bad(Buffer.alloc(1024 * 1024 + 1)), /longer than 1048576 bytes/);
});

test.run();
