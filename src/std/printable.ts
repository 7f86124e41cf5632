/**
 * Text of strangers made safe to print: nothing in it begins a new line, nothing is obeyed by a
 * terminal. Pure.
 *
 * Database names, lines and error texts of outputs end up in log lines and in what commands print.
 * A newline in one of them would pass for a line of our own.
 */

/** C0 but tab, C1, and what ends a line or turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\0-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The text with `\x1b` and the like in place of what is no letter. */
export function printable(text: string): string {
  return text.replace(OBEYED, (char) => {
    const code = char.charCodeAt(0)
    const digits = code.toString(16)
    return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`
  })
}

/** JSON on one line that means the same and holds nothing that a terminal would obey. */
export function printableJson(json: string): string {
  return json.replace(OBEYED, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
