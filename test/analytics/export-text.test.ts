import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeRows } from '../../src/analytics/export-text.ts'
import { Decimal } from '../../src/db/decimal.ts'

async function* pagesOf(...pages: object[][]): AsyncGenerator<object[]> {
  yield* pages
}

async function piecesOf(format: 'csv' | 'json', keys: string[], ...pages: object[][]): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of writeRows(format, keys, pagesOf(...pages))) pieces.push(piece)
  return pieces
}

const csvOf = async (value: unknown) => {
  const [text = ''] = await piecesOf('csv', ['a'], [{ a: value }])
  return text.slice('a\r\n'.length, -'\r\n'.length)
}

describe('CSV', () => {
  it('has a header of column names, a line for each row, and a line break after each', async () => {
    const rows = [
      { botId: 'grid', openedAt: new Date(0), isComplete: true },
      { botId: 'dca', openedAt: null, isComplete: false },
    ]
    const pieces = await piecesOf('csv', ['botId', 'openedAt', 'isComplete'], rows)
    expect(pieces).toEqual([
      'bot_id,opened_at,is_complete\r\ngrid,1970-01-01T00:00:00.000Z,true\r\ndca,,false\r\n',
    ])
  })

  it('comes in one piece per page, and is the header alone without rows', async () => {
    expect(await piecesOf('csv', ['a'], [{ a: 1 }], [{ a: 2 }, { a: 3 }])).toEqual([
      'a\r\n1\r\n',
      '2\r\n3\r\n',
    ])
    expect(await piecesOf('csv', ['a', 'bC'])).toEqual(['a,b_c\r\n'])
  })

  it('writes amounts in full, whatever their size', async () => {
    expect(await csvOf(new Decimal('-0.0000000000000000000000000000000000000001'))).toBe(
      '-0.0000000000000000000000000000000000000001',
    )
    expect(await csvOf(new Decimal('123456789012345678901234567890.5'))).toBe(
      '123456789012345678901234567890.5',
    )
    expect(await csvOf(2n ** 60n + 1n)).toBe('1152921504606846977')
    expect(await csvOf(-0.25)).toBe('-0.25')
  })

  it('tells null, which is nothing, from empty text, which is quoted', async () => {
    expect(await csvOf(null)).toBe('')
    expect(await csvOf('')).toBe('""')
  })

  it('quotes what has commas, quotes or line breaks in it, and only that', async () => {
    expect(await csvOf('a b; c')).toBe('a b; c')
    expect(await csvOf('a,b')).toBe('"a,b"')
    expect(await csvOf('say "yes"')).toBe('"say ""yes"""')
    expect(await csvOf('a\nb')).toBe('"a\nb"')
    expect(await csvOf('a\rb')).toBe('"a\rb"')
    expect(await csvOf({ BNB: '0.1', 'k"': 1 })).toBe('"{""BNB"":""0.1"",""k\\"""":1}"')
  })

  it.each(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])(
    'puts an apostrophe before text that begins with %j',
    async (sign) => {
      const cell = await csvOf(`${sign}SUM(A1)`)
      expect(cell.replaceAll('"', '')).toBe(`'${sign}SUM(A1)`)
    },
  )

  it('defuses a formula that needs quotes inside the quotes', async () => {
    expect(await csvOf('=HYPERLINK("http://x","y")')).toBe(`"'=HYPERLINK(""http://x"",""y"")"`)
    expect(await csvOf("-2+3+cmd|' /C calc'!A0")).toBe(`'-2+3+cmd|' /C calc'!A0`)
  })

  it('leaves a negative number a number, and signs inside a text where they are', async () => {
    expect(await csvOf(new Decimal('-12.5'))).toBe('-12.5')
    expect(await csvOf('-12.5')).toBe('-12.5')
    expect(await csvOf('+7')).toBe('+7')
    expect(await csvOf('a=b')).toBe('a=b')
  })

  it('is read back as it was by a parser of RFC 4180', async () => {
    const cell = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', ' ', '=', "'", 'é', ';'), maxLength: 8 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 }), async (table) => {
        const text = (
          await piecesOf(
            'csv',
            ['a', 'b'],
            table.map(([a, b]) => ({ a, b })),
          )
        ).join('')
        const read: string[][] = parse(text, { record_delimiter: '\r\n' })
        const dangerous = /^[=+\-@\t\r\n]/
        const expected = table.map((row) =>
          row.map((value) =>
            dangerous.test(value) && !/^[+-]?\d+(\.\d+)?$/.test(value) ? `'${value}` : value,
          ),
        )
        expect(read).toEqual([['a', 'b'], ...expected])
      }),
    )
  })
})

describe('JSON', () => {
  it('is one array with an object per line, over all pages', async () => {
    const pieces = await piecesOf(
      'json',
      ['botId', 'pnl'],
      [
        { botId: 'a', pnl: 1 },
        { botId: 'b', pnl: null },
      ],
      [{ botId: '=c"', pnl: -0.5 }],
    )
    expect(pieces).toEqual([
      '[\n{"bot_id":"a","pnl":1},\n{"bot_id":"b","pnl":null}',
      ',\n{"bot_id":"=c\\"","pnl":-0.5}',
      '\n]\n',
    ])
    expect(JSON.parse(pieces.join(''))).toHaveLength(3)
  })

  it('is an empty array without rows', async () => {
    const text = (await piecesOf('json', ['a'])).join('')
    expect(text).toBe('[\n]\n')
    expect(JSON.parse(text)).toEqual([])
  })

  it('writes amounts and long counts as text, times as ISO, and documents as they are', async () => {
    const row = {
      amount: new Decimal('-0.10'),
      sequence: 2n ** 60n + 1n,
      at: new Date(1),
      fees: { BNB: '0.1' },
      list: ['BNB'],
    }
    const [text = '', rest] = await piecesOf('json', Object.keys(row), [row])
    expect(JSON.parse(text + rest)).toEqual([
      {
        amount: '-0.1',
        sequence: '1152921504606846977',
        at: '1970-01-01T00:00:00.001Z',
        fees: { BNB: '0.1' },
        list: ['BNB'],
      },
    ])
  })

  it('is not closed when reading breaks off', async () => {
    async function* broken(): AsyncGenerator<object[]> {
      yield [{ a: 1 }]
      throw new Error('lost')
    }
    let text = ''
    await expect(async () => {
      for await (const piece of writeRows('json', ['a'], broken())) text += piece
    }).rejects.toThrow('lost')
    expect(text).toBe('[\n{"a":1}')
    expect(() => JSON.parse(text)).toThrow()
  })
})
