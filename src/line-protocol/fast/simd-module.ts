/**
 * The WebAssembly module of the SIMD lane: opened once, with memory of one size (128 KiB).
 *
 * Its source is wasm/ordinary-lines.ts, which says what each function does. Where it cannot be had,
 * there is no SIMD lane, and the others do all of the work: on processors without SSE4.1 or Neon,
 * and where WebAssembly is switched off (`node --jitless`).
 */

import { SIMD_BINARY_BASE64 } from './simd-binary.ts'

/** The part of the WebAssembly interface that is used here. Node's types have none of it. */
declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Constant {
  readonly value: number
}

interface Exports extends Functions {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly WINDOW_BYTES: Constant
  readonly STAMP_MAX_BYTES: Constant
  readonly TEXT: Constant
  readonly STAMP: Constant
  readonly OUTPUT: Constant
}

interface Functions {
  classify(length: number): void
  /** @returns where the first line begins that was not taken */
  walk(
    start: number,
    length: number,
    digitsMax: number,
    firstMax: number,
    stampBytes: number,
  ): number
  walkedLines(): number
  /** 1 when the last walk ended at a line that needs a stamp and there was none. */
  lacksStamp(): number
  writtenBytes(): number
}

export interface SimdModule {
  readonly functions: Functions
  /** Where a window's text goes. */
  readonly text: Buffer
  /** Where a stamp goes. */
  readonly stamp: Buffer
  /** Where a walk writes lines that got a stamp. */
  readonly output: Buffer
}

function openModule(): SimdModule {
  const binary = Buffer.from(SIMD_BINARY_BASE64, 'base64')
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary))
  // The binary is ours; a test compares it with its source.
  const functions = instance.exports as Exports
  const { memory, TEXT, WINDOW_BYTES, STAMP, STAMP_MAX_BYTES, OUTPUT } = functions
  return {
    functions,
    text: Buffer.from(memory.buffer, TEXT.value, WINDOW_BYTES.value),
    stamp: Buffer.from(memory.buffer, STAMP.value, STAMP_MAX_BYTES.value),
    output: Buffer.from(memory.buffer, OUTPUT.value),
  }
}

function tryOpenModule(): SimdModule | string {
  try {
    return openModule()
  } catch (error) {
    return String(error)
  }
}

const opened = tryOpenModule()

/** `undefined` where the machine has no such thing. */
export const simdModule = typeof opened === 'string' ? undefined : opened

/** Why there is none; '' when there is. Something slower is not worth more than a debug line. */
export const simdProblem = typeof opened === 'string' ? opened : ''
