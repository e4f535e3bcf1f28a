import { execFileSync, spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../support/deadline.js';

/** A terminal 60 columns wide that runs the line editor, driven through tmux. */
class Terminal {
  readonly #server = `nitro-readline-${process.pid}`;

  constructor() {
    const program = new URL('../support/readline-terminal.js', import.meta.url).pathname;
    this.#tmux('new-session', '-d', '-x', '60', '-y', '20', `${process.execPath} ${program}`);
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-u', '-L', this.#server, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm' },
    });
  }

  /** Presses keys by tmux's names. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  /** Waits until the last rows that are not empty are `rows` and, if given, the cursor is in that column. */
  async shows(rows: readonly string[], column?: number): Promise<void> {
    let seen: string[] = [];
    let at = '';
    const shown = await eventually('the terminal', () => {
      seen = this.#tmux('capture-pane', '-p').trimEnd().split('\n').slice(-rows.length);
      at = this.#tmux('display-message', '-p', '#{cursor_x}').trim();
      const wanted = rows.every((row, i) => seen[i]?.trimEnd() === row.trimEnd());
      return wanted && (column === undefined || at === String(column));
    }).catch(() => false);
    if (!shown) assert.equal({ seen, at }, { seen: [...rows], at: String(column) });
  }

  end(): void {
    spawnSync('tmux', ['-L', this.#server, 'kill-server']);
  }
}

const readline = suite('line editor in a terminal');

readline('what is on the screen is what was typed', async () => {
  if (spawnSync('tmux', ['-V']).status !== 0) {
    console.log('SKIP no tmux on this host');
    return;
  }
  const terminal = new Terminal();
  try {
    await terminal.shows(['(qemu)'], 7);
    terminal.type('info sttus');
    terminal.press('Left', 'Left', 'Left');
    terminal.type('a');
    await terminal.shows(['(qemu) info status'], 15);
    terminal.press('C-a', 'Delete', 'C-e', 'BSpace', 'Home', 'Right');
    await terminal.shows(['(qemu) nfo statu'], 8);
    terminal.press('C-k');
    await terminal.shows(['(qemu) n'], 8);
    terminal.press('C-u');
    terminal.type('stop now');
    terminal.press('C-w', 'Enter');
    await terminal.shows(['<stop >', '(qemu)'], 7);
    terminal.type('cont');
    terminal.press('Enter', 'Up', 'Up');
    await terminal.shows(['<cont>', '(qemu) stop'], 12);
    terminal.press('Down', 'Down');
    await terminal.shows(['(qemu)'], 7);
    terminal.type('qo');
    terminal.press('Tab');
    await terminal.shows(['(qemu) qom-', 'qom-get   qom-list  qom-set', '(qemu) qom-'], 11);
    terminal.type('g');
    terminal.press('Tab');
    terminal.type('x');
    await terminal.shows(['(qemu) qom-get x'], 16);
    terminal.press('C-u');
    terminal.type('\u4e16\u754c \u00e9');
    terminal.press('C-a', 'Right');
    terminal.type('-');
    await terminal.shows(['(qemu) \u4e16-\u754c \u00e9'], 10);
    terminal.press('C-u', 'End', 'BSpace', 'BSpace', 'BSpace');
    await terminal.shows(['(qemu)'], 7);
    terminal.type('secret');
    terminal.press('Enter');
    await terminal.shows(['<secret>', 'Password:'], 10);
    terminal.type('abc');
    await terminal.shows(['Password: ***'], 13);
    terminal.press('Enter', 'Up');
    await terminal.shows(['<abc>', '(qemu) secret'], 13);
  } finally {
    terminal.end();
  }
});

readline.run();
