/**
 * The interface of the logger, so that no module depends on the logging library.
 *
 * Fields are for machines. The message is for people: it says what happened, where, how much, and
 * what comes next, and includes everything in the fields. Credentials and full URLs are never
 * logged.
 */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

/** The same logger, with `prefix` before each message. */
export function withPrefix(logger: Logger, prefix: string): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, prefix + message),
    info: (fields, message) => logger.info(fields, prefix + message),
    warn: (fields, message) => logger.warn(fields, prefix + message),
    error: (fields, message) => logger.error(fields, prefix + message),
  }
}

/** The logger of one relay: each line names the relay, as a field and in the message. */
export function ofRelay(logger: Logger, relay: string): Logger {
  const prefix = `relay "${relay}": `
  return {
    debug: (fields, message) => logger.debug({ relay, ...fields }, prefix + message),
    info: (fields, message) => logger.info({ relay, ...fields }, prefix + message),
    warn: (fields, message) => logger.warn({ relay, ...fields }, prefix + message),
    error: (fields, message) => logger.error({ relay, ...fields }, prefix + message),
  }
}
