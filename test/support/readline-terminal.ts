// The line editor on this terminal, for test/e2e/hmp-readline.test.ts: says each line again, asks a password at "secret".

import { LineEditor } from '../../qmp/hmp/readline.js';

const words = ['qom-get', 'qom-list', 'qom-set', 'quit'];

const editor = new LineEditor({
  write: (bytes) => process.stdout.write(bytes),
  submit: (line) => {
    if (line === 'quit') process.exit(0);
    process.stdout.write(`<${line}>\r\n`);
    if (line === 'secret') editor.prompt('Password: ', { password: true });
    else editor.prompt();
  },
  complete: (left) => ({ length: left.length, candidates: words.filter((word) => word.startsWith(left)) }),
});

process.stdin.setRawMode(true);
editor.prompt();
process.stdin.on('data', (bytes: Uint8Array) => editor.feed(bytes));
