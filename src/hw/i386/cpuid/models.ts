/** A named CPU. */
export interface ModelDefinition {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly brand: string;
  readonly level: number;
  readonly xlevel: number;
  readonly features: readonly string[];
}

/** @returns undefined for `host` and `max` */
export function modelDefinition(_name: string): ModelDefinition | undefined {
  return undefined;
}
