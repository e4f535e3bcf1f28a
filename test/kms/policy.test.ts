import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { denial, openPolicy, readPolicy } from '../../src/kms/policy.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';

const test = suite('key policies');

const caller = 'arn:aws:iam::111122223333:role/parent';
const action = 'kms:Decrypt';

function decide(
  policy: JsonValue,
  context: Record<string, string> = {},
  more: { caller?: string; action?: string } = {},
) {
  return denial(readPolicy(policy), { action, caller, ...more, context: new Map(Object.entries(context)) });
}

const allow = (condition?: JsonObject): JsonObject => ({
  Effect: 'Allow',
  Principal: '*',
  Action: 'kms:Decrypt',
  Resource: '*',
  ...(condition === undefined ? {} : { Condition: condition }),
});
const image = 'kms:RecipientAttestation:ImageSha384';
const found = 'kms:recipientattestation:imagesha384';

test('without a policy everybody may do everything', () => {
  assert.is(denial(openPolicy, { action, caller, context: new Map() }), undefined);
});

test('a statement without conditions decides by action and principal', () => {
  const policy = { Version: '2012-10-17', Statement: allow() };
  assert.is(decide(policy), undefined);
  assert.is(decide(policy, {}, { action: 'kms:Encrypt' }), `no statement allows kms:Encrypt for ${caller}`);
  const actions = (...Action: string[]) => decide({ Statement: [{ ...allow(), Action }] });
  assert.is(actions('kms:Encrypt', 'kms:Decrypt'), undefined);
  assert.is(actions('kms:*'), undefined);
  assert.is(actions('kms:decr?pt'), undefined);
  assert.ok(actions('kms:GenerateDataKey*'));
  const principal = (AWS: string | string[]) => decide({ Statement: { ...allow(), Principal: { AWS } } });
  assert.is(principal(caller), undefined);
  assert.is(principal(['arn:aws:iam::111122223333:role/other', caller]), undefined);
  assert.is(principal('arn:aws:iam::111122223333:root'), undefined);
  assert.is(principal('111122223333'), undefined);
  assert.ok(principal('arn:aws:iam::999999999999:root'));
  assert.ok(principal('arn:aws:iam::111122223333:role/other'));
});

const operators: [operator: string, wanted: string | string[], value: string | undefined, holds: boolean][] = [
  ['StringEquals', 'ab', 'ab', true],
  ['StringEquals', 'AB', 'ab', false],
  ['StringEquals', ['x', 'ab'], 'ab', true],
  ['StringEquals', 'ab', undefined, false],
  ['StringEqualsIfExists', 'ab', undefined, true],
  ['StringEqualsIfExists', 'ab', 'x', false],
  ['StringEqualsIgnoreCase', 'AB', 'ab', true],
  ['StringNotEquals', 'ab', 'ab', false],
  ['StringNotEquals', ['x', 'y'], 'ab', true],
  ['StringNotEquals', 'ab', undefined, true],
  ['StringNotEqualsIgnoreCase', 'AB', 'ab', false],
  ['StringLike', 'a*', 'abc', true],
  ['StringLike', 'a?', 'abc', false],
  ['StringLike', 'a.c', 'abc', false],
  ['StringNotLike', 'a*', 'abc', false],
  ['Null', 'true', undefined, true],
  ['Null', 'true', 'ab', false],
  ['Null', 'false', 'ab', true],
  ['Null', 'false', undefined, false],
];
for (const [operator, wanted, value, holds] of operators) {
  test(`${operator} ${wanted} ${holds ? 'holds' : 'fails'} for ${value}`, () => {
    const policy = { Statement: [allow({ [operator]: { [image]: wanted } })] };
    const reason = decide(policy, value === undefined ? {} : { [found]: value });
    assert.is(reason === undefined, holds, reason);
    if (!holds) assert.match(reason ?? '', new RegExp(`statement 1: condition ${operator} ${image}`));
  });
}

test('the reason names the statement, the condition, what was found and what was wanted', () => {
  const statements = [
    { Sid: 'Image', ...allow({ StringEquals: { [image]: 'aa' } }) },
    allow({ StringEquals: { 'kms:RecipientAttestation:PCR3': 'bb' } }),
  ];
  assert.is(
    decide({ Statement: statements }, { [found]: 'cc' }),
    `statement Image: condition StringEquals ${image} is cc, not aa; ` +
      'statement 2: condition StringEquals kms:RecipientAttestation:PCR3 wants bb, the request has no value',
  );
});

test('every condition of a statement must hold, one statement is enough, and Deny wins', () => {
  const both = allow({ StringEquals: { [image]: 'aa', 'kms:EncryptionContext:App': 'x' } });
  const context = { [found]: 'aa', 'kms:encryptioncontext:app': 'x' };
  assert.is(decide({ Statement: [both] }, context), undefined);
  assert.ok(decide({ Statement: [both] }, { [found]: 'aa' }));
  assert.is(decide({ Statement: [both, allow()] }), undefined);
  const deny = { ...allow({ Null: { [image]: 'true' } }), Effect: 'Deny' };
  assert.is(decide({ Statement: [allow(), deny] }), 'statement 2 denies kms:Decrypt');
  assert.is(decide({ Statement: [deny, allow()] }, context), undefined);
});

test('what is not understood is refused when the policy is read', () => {
  const cases: [RegExp, JsonValue][] = [
    [/the policy is not an object/, []],
    [/the policy has "Statements"/, { Statements: [] }],
    [/statement 1 is not an object/, {}],
    [/Effect is neither/, { Statement: { ...allow(), Effect: 'allow' } }],
    [/Resource is not "\*"/, { Statement: { ...allow(), Resource: 'arn:x' } }],
    [/statement 1 has "NotAction"/, { Statement: { ...allow(), NotAction: 'kms:Encrypt' } }],
    [/Action "s3:GetObject"/, { Statement: { ...allow(), Action: 's3:GetObject' } }],
    [/Action is empty/, { Statement: { ...allow(), Action: [] } }],
    [/Principal is not an object/, { Statement: { ...allow(), Principal: 'x' } }],
    [/Principal has "Service"/, { Statement: { ...allow(), Principal: { Service: 'x' } } }],
    [/operator "NumericEquals"/, { Statement: allow({ NumericEquals: { [image]: '1' } }) }],
    [/operator "NullIfExists"/, { Statement: allow({ NullIfExists: { [image]: 'true' } }) }],
    [
      /condition key "kms:RecipientAttestation:PCR32"/,
      { Statement: allow({ StringEquals: { 'kms:RecipientAttestation:PCR32': 'x' } }) },
    ],
    [/condition key "aws:SourceIp"/, { Statement: allow({ StringEquals: { 'aws:SourceIp': 'x' } }) }],
    [/is not a string or a list/, { Statement: allow({ StringEquals: { [image]: 1 } }) }],
  ];
  for (const [text, policy] of cases)
    assert.throws(
      () => readPolicy(policy),
      (error: Error) => text.test(error.message),
      String(text),
    );
});

test.run();
