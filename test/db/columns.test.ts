import { describe, expect, test } from 'vitest'
import { readInstant } from '../../src/db/columns.ts'

describe('a time as Postgres writes it', () => {
  test.each([
    ['2024-02-29 23:59:59+00', '2024-02-29T23:59:59.000Z'],
    ['2024-02-29 23:59:59.1+00', '2024-02-29T23:59:59.100Z'],
    ['2024-02-29 23:59:59.123+00', '2024-02-29T23:59:59.123Z'],
    ['2024-02-29 23:59:59+01', '2024-02-29T22:59:59.000Z'],
    ['2024-02-29 23:59:59-03:30', '2024-03-01T03:29:59.000Z'],
    ['0050-01-02 03:04:05+00', '0050-01-02T03:04:05.000Z'],
    ['9999-12-31 23:59:59+00', '9999-12-31T23:59:59.000Z'],
  ])('%s is read', (text, iso) => {
    expect(readInstant(text).toISOString()).toBe(iso)
  })

  test.each(['21/11/2026 08:00:00+00', '11-21-2026 08:00:00+00', '2026-1x-21 08:00:00+00', ''])(
    'but not %s',
    (text) => {
      expect(() => readInstant(text)).toThrow(
        `the server writes times as '${text}'; set its DateStyle to ISO`,
      )
    },
  )
})
