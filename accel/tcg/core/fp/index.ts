export * from './sse-approximate';
export * from './sse-arith';
export * from './sse-compare';
export * from './sse-convert';
export * from './sse-dot';
