const here = import.meta.url;
const bundle = '/dist/bundle/';

/** Root of the compiled tree this process runs from: dist/bundle/ as installed, dist/ under tests. A file URL. */
export const compiledRoot = new URL(
  here.includes(bundle) ? here.slice(0, here.lastIndexOf(bundle) + bundle.length) : '../../',
  here,
);
