import { expect } from 'vitest'

/** Expects a call to be refused for what one field holds. */
export function expectRefused(call: () => unknown, field: string): void {
  expect(call).toThrow(expect.objectContaining({ code: 'invalid_input', field }))
}

export const NOT_NUMBERS = [Number.NaN, Infinity, -Infinity, 1e101, null, undefined, '1'] as number[]
