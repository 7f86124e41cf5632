/**
 * Escapes untrusted text for printing, so that it can neither begin a new line nor control a
 * terminal. Pure.
 *
 * Database names, lines and error texts of outputs appear in log lines and in the output of
 * commands. A newline in one of them could forge a log line of the relay.
 */

/** C0 except tab, C1, line separators, and characters that change the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this pattern searches them
const CONTROLS = /[\0-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The text with escapes such as `\x1b` in place of control characters. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (char) => {
    const code = char.charCodeAt(0)
    const digits = code.toString(16)
    return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`
  })
}

/** The same JSON value on one line, without characters that control a terminal. */
export function printableJson(json: string): string {
  return json.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
