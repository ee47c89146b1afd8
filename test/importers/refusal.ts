import { expect } from 'vitest'
import { isDataError } from '../../src/db/errors.ts'

/** Returns the message of a refusal line by line; empty if nothing was refused. */
export function refusalOf(work: () => unknown): string[] {
  try {
    work()
  } catch (error) {
    if (isDataError(error)) {
      expect(error.code).toBe('invalid_input')
      expect(error.message).toContain(error.field)
      return error.message.split('\n')
    }
    throw error
  }
  return []
}
