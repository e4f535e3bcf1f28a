/** Errors of the KMS API by the names that its clients know, with the HTTP status that goes with each. */
const statuses = {
  AccessDeniedException: 400,
  IncompleteSignatureException: 400,
  IncorrectKeyException: 400,
  InvalidCiphertextException: 400,
  InvalidSignatureException: 400,
  MissingAuthenticationTokenException: 400,
  NotFoundException: 400,
  SerializationException: 400,
  UnknownOperationException: 400,
  UnrecognizedClientException: 400,
  ValidationException: 400,
  KMSInternalException: 500,
} as const;
export type KmsErrorName = keyof typeof statuses;

/** A refusal, for the client to read. */
export class KmsError extends Error {
  override readonly name: KmsErrorName;
  readonly status: number;

  constructor(name: KmsErrorName, message: string) {
    super(message);
    this.name = name;
    this.status = statuses[name];
  }
}

export function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message);
}
