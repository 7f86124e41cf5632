/**
 * The length of each file that an output writes; its cursor stores the lengths beside the done
 * records.
 *
 *     out.lp  │ lines of records that are done │ lines that are written again after a crash …
 *                                        bytes ┘
 *
 * On opening, each file in the cursor is cut to its length there. Otherwise a line that was written
 * before its record was done in the cursor would be in the file twice.
 */

export interface FileExtent {
  /** Unique identity of the file, independent of its current name. */
  readonly file: string
  readonly bytes: number
}

/** An extent that this process has reached. */
export interface FileCheckpoint extends FileExtent {
  /** Rises when the output opens another file, or when others have changed the same file. */
  readonly generation: number
}

/** The part of a cursor that an output uses when it writes to files. */
export interface FileKeeper {
  /**
   * Lengths to cut the files to on opening, oldest first; the last extent of a file counts. Empty
   * when the lines that a cut removes would not be written again.
   */
  readonly extents: readonly FileExtent[]
  /**
   * Call this before the first append to a file, when the file's name is on the disk. Resolves when
   * the cursor on the disk contains the file; rejects with the system's error.
   */
  noteOpened(checkpoint: FileCheckpoint): Promise<void>
}
