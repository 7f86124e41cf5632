/**
 * How far the files of an output are written: what its cursor says of them, beside which records
 * are done.
 *
 *     out.lp  │ lines of records that are done │ lines that come again after a crash …
 *                                        bytes ┘
 *
 * On opening, each file that the cursor knows is cut to its length. So a line that was written, and
 * whose record the cursor does not have as done, does not stand in it twice.
 */

export interface FileExtent {
  /** Which file it is, whatever its name is now; no two have the same. */
  readonly file: string
  readonly bytes: number
}

/** An extent in the course of one process. */
export interface FileMark extends FileExtent {
  /** Rises with each file that is opened after another, and when others have changed the same. */
  readonly generation: number
}

/** A cursor, as it is known to the output that writes to files. */
export interface FileKeeper {
  /**
   * What is to be cut on opening, oldest first; of the same file the last one counts. None when
   * nothing would come again.
   */
  readonly extents: readonly FileExtent[]
  /**
   * To be called before the first append to a file; its name must be on the disk. Resolves when the
   * cursor on the disk knows of it, rejects with the system's error.
   */
  noteOpened(mark: FileMark): Promise<void>
}
