/** A memory budget with a limit for writes, and more than enough for clients. */
import { MemoryBudget } from '../../src/std/memory-budget.ts'

const CLIENTS_BYTES = 100_000_000

export function writeMemory(bytes: number, onFreed?: (bytes: number) => void): MemoryBudget {
  return new MemoryBudget(bytes + CLIENTS_BYTES, onFreed, CLIENTS_BYTES)
}
