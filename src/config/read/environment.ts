/**
 * What the environment adds to the file: `${NAME}` inside values, and RELAY_… variables in place of
 * keys.
 *
 * Messages never contain values of variables, which are often secrets.
 */

const FORMS = `\${NAME} or \${NAME:-default}`
const MALFORMED = `has a "\${" that is not ${FORMS}; for the characters write "$\${"`

export type Expanded =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'bad'; readonly message: string }

/**
 * Replaces `${NAME}` and `${NAME:-default}`; the default also stands in for an empty variable, as
 * in a shell. `$${` gives a plain `${`. A variable's own text is not expanded again.
 */
export function expandVariables(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): Expanded {
  let problem: string | undefined
  const expanded = text.replace(
    /\$\$\{|\$\{([^}]*)(\}?)/g,
    (whole, inner: string | undefined, end) => {
      if (inner === undefined) return '${'
      const parts = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inner)
      if (parts === null || end === '') {
        problem ??= MALFORMED
        return whole
      }
      const [, name = '', fallback] = parts
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined
      if (value !== undefined && (value !== '' || fallback === undefined)) return value
      if (fallback !== undefined) return fallback
      problem ??= `environment variable ${name} is not set; set it or write \${${name}:-default}`
      return whole
    },
  )
  return problem === undefined ? { kind: 'ok', text: expanded } : { kind: 'bad', message: problem }
}

/** `http[0].output[1]`, `max-batch-kb` → `RELAY_HTTP_0_OUTPUT_1_MAX_BATCH_KB`. */
export function overrideName(sectionPath: string, key: string): string {
  const path = sectionPath === '' ? key : `${sectionPath}.${key}`
  return `RELAY_${path
    .replace(/\[(\d+)\]/g, '_$1')
    .replace(/[.-]/g, '_')
    .toUpperCase()}`
}
