// Loads the program with V8's code cache: compiling it takes 40 ms where `node -e 0` takes 25. V8 refuses a cache of
// another version of its own or of other flags; then, as when there is none, the program is compiled and a new cache is
// written at the end, where this directory can be written. The program's name carries the hash of its text, because V8
// compares no more than its length.
'use strict';
const { readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');

const filename = `${__dirname}/PROGRAM.cjs`;
const cache = `${__dirname}/PROGRAM-${process.version}-${process.arch}.cache`;

function readCache() {
  try {
    return readFileSync(cache);
  } catch {
    return undefined;
  }
}

function writeCache() {
  const draft = `${cache}.${process.pid}`;
  try {
    writeFileSync(draft, script.createCachedData());
    renameSync(draft, cache);
  } catch {
    rmSync(draft, { force: true });
  }
}

// With a code cache V8 does not find the way back to Node's loader from an import() (Node 20): this file's is lent.
const importModule = (url) => import(url);

// The bundle is ASCII. As V8 gets it one byte a character, nothing is decoded.
const source = readFileSync(filename, 'latin1');
const cachedData = readCache();
const script = new Script(`(function (exports, require, module, __filename, __dirname, importModule) {${source}\n})`, {
  filename,
  cachedData,
});
// Flags given by a user who is looking for something are no reason to write it anew.
const plain = process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined;
if (plain && (cachedData === undefined || script.cachedDataRejected)) process.on('exit', writeCache);
script.runInThisContext()(exports, require, module, filename, __dirname, importModule);
