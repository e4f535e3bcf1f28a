/**
 * require() of this package, for files and native modules: the bundle's own, or one made where the program runs as ES
 * modules. Node's modules that few runs need come from process.getBuiltinModule.
 */
export function requireFile(id: string): unknown {
  if (typeof require === 'function') return require(id);
  return process.getBuiltinModule('node:module').createRequire(import.meta.url)(id);
}
