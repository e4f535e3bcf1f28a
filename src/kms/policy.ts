import { isJsonObject, type JsonObject, type JsonValue } from '../system/json.js';

/**
 * Key policies in AWS's JSON form, as far as enclaves need them: Effect, Principal, Action, Resource and Condition with
 * the operators below. What is not understood is refused when the policy is read, never ignored.
 */
export interface Policy {
  readonly statements: readonly Statement[];
}

interface Statement {
  /** Its Sid, or its number from 1. */
  readonly label: string;
  readonly effect: 'Allow' | 'Deny';
  /** ARNs, or `*`. */
  readonly principals: readonly string[];
  readonly actions: readonly string[];
  readonly conditions: readonly Condition[];
}

interface Condition {
  readonly operator: keyof typeof operators;
  /** The condition holds where the request has no value for the key. */
  readonly ifExists: boolean;
  readonly key: string;
  readonly values: readonly string[];
}

/** What a policy is asked about. */
export interface Access {
  /** `kms:Decrypt` */
  readonly action: string;
  /** ARN of the caller. */
  readonly caller: string;
  /** Values of condition keys; names in lower case, as they are compared without regard to it. */
  readonly context: ReadonlyMap<string, string>;
}

/** Whether one value of a request and one of a policy match. */
const operators = {
  StringEquals: (found: string, wanted: string) => found === wanted,
  StringEqualsIgnoreCase: (found: string, wanted: string) => found.toLowerCase() === wanted.toLowerCase(),
  StringLike: (found: string, wanted: string) => glob(wanted).test(found),
  StringNotEquals: (found: string, wanted: string) => found === wanted,
  StringNotEqualsIgnoreCase: (found: string, wanted: string) => found.toLowerCase() === wanted.toLowerCase(),
  StringNotLike: (found: string, wanted: string) => glob(wanted).test(found),
  Null: (found: string, wanted: string) => found === wanted,
} as const;

/** A policy that cannot be used, with the place in it. */
export class PolicyError extends Error {}

/** Everybody may do everything. */
export const openPolicy: Policy = {
  statements: [{ label: '1', effect: 'Allow', principals: ['*'], actions: ['kms:*'], conditions: [] }],
};

/** @throws PolicyError for whatever is not understood */
export function readPolicy(value: JsonValue): Policy {
  const policy = object(value, 'the policy');
  checkMembers(policy, ['Version', 'Id', 'Statement'], 'the policy');
  const list = Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement ?? null];
  return { statements: list.map((item, index) => readStatement(item, index + 1)) };
}

function readStatement(value: JsonValue, number: number): Statement {
  const place = `statement ${number}`;
  const statement = object(value, place);
  checkMembers(statement, ['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'Condition'], place);
  const { Sid, Effect: effect, Resource: resource = '*' } = statement;
  if (effect !== 'Allow' && effect !== 'Deny') throw new PolicyError(`${place}: Effect is neither Allow nor Deny`);
  if (resource !== '*') throw new PolicyError(`${place}: Resource is not "*", which is this key in a key policy`);
  const actions = strings(statement.Action ?? null, `${place}: Action`);
  const foreign = actions.find((action) => !/^(kms:[\w*?]+|\*)$/i.test(action));
  if (foreign !== undefined) throw new PolicyError(`${place}: Action "${foreign}" is not one of KMS`);
  return {
    label: typeof Sid === 'string' ? Sid : String(number),
    effect,
    principals: readPrincipals(statement.Principal ?? null, place),
    actions,
    conditions: Object.entries(object(statement.Condition ?? {}, `${place}: Condition`)).flatMap(([operator, keys]) =>
      readConditions(operator, keys ?? null, place),
    ),
  };
}

function readPrincipals(value: JsonValue, place: string): string[] {
  if (value === '*') return ['*'];
  const principal = object(value, `${place}: Principal`);
  checkMembers(principal, ['AWS'], `${place}: Principal`);
  return strings(principal.AWS ?? null, `${place}: Principal.AWS`);
}

function readConditions(name: string, value: JsonValue, place: string): Condition[] {
  const ifExists = name.endsWith('IfExists');
  const operator = name.replace(/IfExists$/, '');
  if (!isOperator(operator) || (ifExists && operator === 'Null')) {
    throw new PolicyError(`${place}: condition operator "${name}" is not one of ${Object.keys(operators).join(', ')}`);
  }
  return Object.entries(object(value, `${place}: ${name}`)).map(([key, values]) => {
    if (!conditionKey.test(key)) throw new PolicyError(`${place}: condition key "${key}" is not known here`);
    return { operator, ifExists, key, values: strings(values ?? null, `${place}: ${name} ${key}`) };
  });
}

/** The registers of an attestation document, and the encryption context. */
const conditionKey = /^kms:(RecipientAttestation:(ImageSha384|PCR([0-9]|[12][0-9]|3[01]))|EncryptionContext:.+)$/i;

function isOperator(name: string): name is keyof typeof operators {
  return Object.hasOwn(operators, name);
}

/**
 * Decides as AWS does: an explicit Deny wins, then one Allow is enough.
 *
 * @returns why access is denied, naming the condition that failed; undefined when it is allowed
 */
export function denial({ statements }: Policy, access: Access): string | undefined {
  const concerned = statements.filter(
    ({ principals, actions }) =>
      principals.some((principal) => matchesPrincipal(principal, access.caller)) &&
      actions.some((action) => glob(action.toLowerCase()).test(access.action.toLowerCase())),
  );
  const judged = concerned.map((statement) => ({ statement, failed: firstFailure(statement, access) }));
  const denied = judged.find(({ statement, failed }) => statement.effect === 'Deny' && failed === undefined);
  if (denied !== undefined) return `statement ${denied.statement.label} denies ${access.action}`;
  const allows = judged.filter(({ statement }) => statement.effect === 'Allow');
  if (allows.some(({ failed }) => failed === undefined)) return undefined;
  if (allows.length === 0) return `no statement allows ${access.action} for ${access.caller}`;
  return allows.map(({ statement, failed }) => `statement ${statement.label}: ${failed}`).join('; ');
}

function matchesPrincipal(principal: string, caller: string): boolean {
  if (principal === '*' || principal === caller) return true;
  // The root of an account stands for everybody in it.
  const [, account] = /^(?:arn:aws:iam::)?(\d{12})(?::root)?$/.exec(principal) ?? [];
  return account !== undefined && caller.split(':')[4] === account;
}

/** The first condition that does not hold, as a sentence. */
function firstFailure({ conditions }: Statement, { context }: Access): string | undefined {
  for (const { operator, ifExists, key, values } of conditions) {
    const name = `condition ${operator}${ifExists ? 'IfExists' : ''} ${key}`;
    const found = context.get(key.toLowerCase());
    const wanted = values.join(' or ');
    if (operator === 'Null') {
      if (!values.some((value) => operators.Null(String(found === undefined), value.toLowerCase()))) {
        return `${name} is ${found === undefined}, not ${wanted}`;
      }
      continue;
    }
    const negative = operator.includes('Not');
    if (found === undefined) {
      if (ifExists || negative) continue;
      return `${name} wants ${wanted}, the request has no value`;
    }
    const matches = values.some((value) => operators[operator](found, value));
    if (matches === negative) return `${name} is ${found}${negative ? '' : `, not ${wanted}`}`;
  }
  return undefined;
}

/** `*` and `?` as in policies. */
function glob(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's');
}

function object(value: JsonValue, place: string): JsonObject {
  if (!isJsonObject(value)) throw new PolicyError(`${place} is not an object`);
  return value;
}

function strings(value: JsonValue, place: string): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new PolicyError(`${place} is empty`);
  return list.map((item) => {
    if (typeof item !== 'string') throw new PolicyError(`${place} is not a string or a list of them`);
    return item;
  });
}

function checkMembers(value: JsonObject, known: readonly string[], place: string): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new PolicyError(`${place} has "${unknown}", which is not understood here`);
}
