const here = import.meta.url;
const bundle = '/dist/bundle/';

/** This process runs from the bundle, as users do; tests run from the plain output of the compiler. */
export const bundled = here.includes(bundle);

/** Root of the compiled tree this process runs from: dist/bundle/ as installed, dist/ under tests. A file URL. */
export const compiledRoot = new URL(bundled ? here.slice(0, here.lastIndexOf(bundle) + bundle.length) : '../../', here);
