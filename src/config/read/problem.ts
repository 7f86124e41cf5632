/** One thing that is wrong with a configuration. */

export interface ConfigProblem {
  /** 1-based; 0 = unknown. */
  readonly line: number
  /** For example `http[0].output[1].location`; '' = the file as a whole. */
  readonly keyPath: string
  /** What is wrong, what was given (never a secret), what to do. */
  readonly message: string
}
