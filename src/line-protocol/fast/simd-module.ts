/**
 * The WebAssembly module of the SIMD tier: opened once, with memory of a fixed size (128 KiB).
 *
 * Its source is wasm/ordinary-lines.ts, which documents each function. Without the module there is
 * no SIMD tier, and the other tiers read every line: on processors without SSE4.1 or Neon, and when
 * WebAssembly is switched off (`node --jitless`).
 */

import { SIMD_BINARY_BASE64 } from './simd-binary.ts'

/** The part of the WebAssembly interface that is used here. Node's types lack WebAssembly. */
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
  /** @returns the start of the first line that was not taken */
  walk(
    start: number,
    length: number,
    digitsMax: number,
    firstMax: number,
    stampBytes: number,
  ): number
  walkedLines(): number
  /** 1 if the last walk ended at a line without a timestamp and had no stamp for it. */
  lacksStamp(): number
  writtenBytes(): number
}

export interface SimdModule {
  readonly functions: Functions
  /** Receives the text of a window. */
  readonly text: Buffer
  /** Receives a stamp. */
  readonly stamp: Buffer
  /** Holds the lines to which the last walk added a stamp. */
  readonly output: Buffer
}

function openModule(): SimdModule {
  const binary = Buffer.from(SIMD_BINARY_BASE64, 'base64')
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary))
  // The binary is built from this repository; a test compares it with its source.
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

/** `undefined` when the machine cannot run the module. */
export const simdModule = typeof opened === 'string' ? undefined : opened

/** Why there is no module, or ''. For a debug line only: without the module only speed suffers. */
export const simdProblem = typeof opened === 'string' ? opened : ''
