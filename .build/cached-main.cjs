// Loads the program with V8's code cache: compiling it takes 40 ms where `node -e 0` takes 25. V8 refuses a cache of
// another version of its own or of other flags; then, as when there is none, the program is compiled and a new cache is
// written at the end, where this directory can be written. The program's name carries the hash of its text, because V8
// compares no more than its length.
'use strict';
const { readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { Script, constants } = require('node:vm');

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

// The bundle is ASCII. As V8 gets it one byte a character, nothing is decoded.
const source = readFileSync(filename, 'latin1');
const cachedData = readCache();
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename,
  cachedData,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
// Flags given by a user who is looking for something are no reason to write it anew.
const plain = process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined;
if (plain && (cachedData === undefined || script.cachedDataRejected)) process.on('exit', writeCache);
script.runInThisContext()(exports, require, module, filename, __dirname);
