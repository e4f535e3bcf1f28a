const LF = 0x0a;
const LEFT_BRACE = 0x7b;

/**
 * Cuts what a session sends at once into its messages, compact or pretty: each begins with a brace at the beginning of a
 * line, and no other line does.
 */
export function splitMessages(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let start = 0;
  for (let at = bytes.indexOf(LF); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] !== LEFT_BRACE) continue;
    messages.push(bytes.subarray(start, at + 1));
    start = at + 1;
  }
  messages.push(bytes.subarray(start));
  return messages;
}
