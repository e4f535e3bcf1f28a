/** Telnet as QEMU's socket server speaks it: character mode, 8 bits, break (RFC 854, 856, 857, 858). */

const IAC = 0xff;
const DONT = 0xfe;
const DO = 0xfd;
const WILL = 0xfb;
const SB = 0xfa;
const BREAK = 0xf3;
const SE = 0xf0;
const BINARY = 0;
const ECHO = 1;
const SUPPRESS_GO_AHEAD = 3;

/** What the server sends first: it echoes, needs no go-ahead, and both sides are 8 bits clean. */
export const negotiation: Uint8Array = Uint8Array.of(
  ...[IAC, WILL, ECHO],
  ...[IAC, WILL, SUPPRESS_GO_AHEAD],
  ...[IAC, WILL, BINARY],
  ...[IAC, DO, BINARY],
);

type State = 'data' | 'command' | 'option' | 'subnegotiation' | 'subnegotiation-command';

/** Takes the commands out of what a client sends, at any chunk boundary. */
export class TelnetReader {
  #state: State = 'data';

  /** @param onBreak called for each break, in order with the bytes returned so far */
  read(chunk: Uint8Array, onBreak: () => void): Uint8Array {
    if (this.#state === 'data' && !chunk.includes(IAC)) return chunk;
    const data: number[] = [];
    for (const byte of chunk) this.#take(byte, data, onBreak);
    return Uint8Array.from(data);
  }

  #take(byte: number, data: number[], onBreak: () => void): void {
    switch (this.#state) {
      case 'data':
        if (byte === IAC) this.#state = 'command';
        else data.push(byte);
        return;
      case 'command':
        this.#state = byte === SB ? 'subnegotiation' : byte >= WILL && byte <= DONT ? 'option' : 'data';
        if (byte === IAC) data.push(IAC);
        if (byte === BREAK) onBreak();
        return;
      case 'option':
        this.#state = 'data';
        return;
      case 'subnegotiation':
        if (byte === IAC) this.#state = 'subnegotiation-command';
        return;
      case 'subnegotiation-command':
        this.#state = byte === SE ? 'data' : 'subnegotiation';
    }
  }
}

/** Data for a telnet peer: a byte 255 is doubled. */
export function escapeData(data: Uint8Array): Uint8Array {
  if (!data.includes(IAC)) return data;
  const escaped: number[] = [];
  for (const byte of data) escaped.push(...(byte === IAC ? [IAC, IAC] : [byte]));
  return Uint8Array.from(escaped);
}
