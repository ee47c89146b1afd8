import { mkdirSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type ReadCandleCsvOptions, readCandleCsv } from '../../src/importers/candle-csv.ts'
import type { TextSource } from '../../src/importers/text-source.ts'
import { all, makeFolder, openFiles, refusalOfReading } from './reading.ts'
import { refusalOf } from './refusal.ts'

const options = {
  exchange: 'coinbase',
  symbol: 'BTC/USD',
  timeframe: '1d',
  format: 'coinbase',
} as const satisfies ReadCandleCsvOptions

const HEADER = 'date,open,high,low,close,volume'
const dayOf = (n: number) => new Date(Date.UTC(2015, 0, 1 + n)).toISOString().slice(0, 10)
const lineOf = (n: number) => `${dayOf(n)},1,2,1,2,${n}`
const linesOf = (count: number) => [HEADER, ...Array.from({ length: count }, (_, n) => lineOf(n))]

const read = (source: TextSource, more: object = {}) => readCandleCsv(source, { ...options, ...more })
const volumes = async (source: TextSource, more: object = {}) =>
  (await all(read(source, more))).map(({ volume }) => volume)

describe('a source', () => {
  test('may be a path, the URL of a file, and pieces of text or bytes', async () => {
    using folder = makeFolder()
    const path = folder.path('btc.csv')
    const text = linesOf(3).join('\n')
    writeFileSync(path, text)
    async function* pieces() {
      yield text.slice(0, 45)
      yield Buffer.from(text.slice(45))
    }
    const sources = [path, pathToFileURL(path), [text], [Buffer.from(text)], pieces(), Readable.from([text])]
    for (const source of [...sources, new Response(text).body ?? []]) {
      expect(await volumes(source)).toEqual(['0', '1', '2'])
    }
  })

  test('may be gzipped if its path says so', async () => {
    using folder = makeFolder()
    const path = folder.path('btc.csv.gz')
    writeFileSync(path, gzipSync(linesOf(20_000).join('\n')))
    expect(await volumes(path)).toHaveLength(20_000)
  })

  test('may be cut anywhere, also within a character', async () => {
    const bytes = Buffer.from(
      ['date,open,high,low,close,volume,note', `${lineOf(0)},"äöü €"`, `${lineOf(1)},😀`].join('\r\n'),
    )
    for (let size = 1; size < 9; size += 1) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      )
      expect(await volumes(pieces)).toEqual(['0', '1'])
    }
  })

  test('that is missing, a folder or packed is refused by its path', async () => {
    using folder = makeFolder()
    mkdirSync(folder.path('days'))
    writeFileSync(folder.path('packed.csv'), gzipSync('date'))
    writeFileSync(folder.path('zipped.csv'), Buffer.from('PK\u0003\u0004'))
    writeFileSync(folder.path('plain.csv.gz'), linesOf(3).join('\n'))
    writeFileSync(folder.path('short.csv.gz'), gzipSync(linesOf(9_999).join('\n')).subarray(0, -20))
    writeFileSync(folder.path('latin.csv'), Buffer.from([...Buffer.from(HEADER), 0xe4, 10]))
    const refusals = {
      'gone.csv': 'there is no such file',
      days: 'is a folder, not a file',
      'packed.csv': 'is gzipped; give the path of a file whose name ends in .gz, or unzip it on the way',
      'zipped.csv': 'is a zip archive; unpack it and give the file in it',
      'plain.csv.gz': 'is no whole gzip file',
      'short.csv.gz': 'is no whole gzip file',
      'latin.csv': 'is not UTF-8 text',
    }
    for (const [name, why] of Object.entries(refusals)) {
      expect(await refusalOfReading(read(folder.path(name)))).toBe(`${folder.path(name)}: ${why}`)
    }
    const gone = folder.path('gone.csv')
    expect(await refusalOfReading(read(pathToFileURL(gone)))).toBe(`${gone}: there is no such file`)
    expect(await refusalOfReading(read(`${gone}.gz`, { file: 'BTC' }))).toBe('BTC: there is no such file')
  })

  test.each([
    [5, 'source is neither a path, the URL of a file, nor pieces of text'],
    [null, 'source is neither a path, the URL of a file, nor pieces of text'],
    [Buffer.from('a'), 'source is neither a path, the URL of a file, nor pieces of text'],
    ['', 'source is an empty path'],
    [
      new URL('https://data.example/a.csv'),
      'source is https://data.example/a.csv, not the URL of a file; give the body of a response instead',
    ],
  ])('that is none is refused at once: %s', (source, message) => {
    expect(refusalOf(() => read(source as unknown as TextSource))).toEqual([message])
  })

  test('that is a zip archive by its name is refused at once', () => {
    expect(() => read('BTCUSDT-1m-2024-01.zip')).toThrow(
      'is a zip archive; unpack it and give the file in it',
    )
  })

  test('of pieces that are neither text nor bytes is refused', async () => {
    const wrong = [{}] as unknown as string[]
    expect(await refusalOfReading(read(wrong))).toBe(
      'input: has a piece of type object, which is neither text nor bytes',
    )
  })

  test('that fails throws its own error', async () => {
    async function* failing() {
      yield `${HEADER}\n`
      throw new TypeError('connection lost')
    }
    await expect(all(read(failing()))).rejects.toThrow(new TypeError('connection lost'))
  })

  test('without any row is refused', async () => {
    expect(await refusalOfReading(read(['\uFEFF', '\n \r\n']))).toBe('input: is empty')
    expect(await refusalOfReading(read([]))).toBe('input: is empty')
  })
})

describe('rows', () => {
  test('may have a byte order mark, Windows line ends, blank lines and quotes', async () => {
    const text = [
      '\uFEFF"date", open,high,low,close,"volume"',
      '',
      ' "2015-01-01" ,"1",2 ,1,2,"3"',
      '  ',
      '2015-01-02,1,2,1,2,4',
      '',
    ].join('\r\n')
    expect(await volumes([text])).toEqual(['3', '4'])
    expect(await volumes([Buffer.from(text)])).toEqual(['3', '4'])
  })

  test('may have quotes and line breaks in a quoted cell, and are found by their first line', async () => {
    const lines = [
      `${HEADER},note`,
      `${lineOf(0)},"a ""b"",\nc\n\nd"`,
      `${lineOf(1)},`,
      `${dayOf(2)},x,2,1,2,3,"`,
      '"',
    ]
    expect(await refusalOfReading(read([lines.join('\n')]))).toBe(
      "input:7: column 'open': 'x' is not a plain decimal number",
    )
    expect(await volumes([lines.slice(0, 3).join('\n')])).toEqual(['0', '1'])
  })

  test('are counted as the lines of the file, blank ones too', async () => {
    const text = [HEADER, '', lineOf(0), '', `${dayOf(1)},1,2,1,2,`, ''].join('\n')
    expect(await refusalOfReading(read([text], { file: 'btc.csv' }))).toBe(
      "btc.csv:5: column 'volume': is empty",
    )
  })

  test.each([
    [
      'a quote that is not closed',
      [HEADER, lineOf(0), `"${lineOf(1)}`, lineOf(2)],
      'input:4: ends in a quote that is never closed',
    ],
    [
      'a quote within a cell',
      [HEADER, lineOf(0), `${lineOf(1)}"x"`],
      'input:3: a quote stands where none may be',
    ],
    ['a line without end', [HEADER, 'x'.repeat(1_000_001)], 'input:2: has 1 column, and the first row 6'],
    [
      'a quote without end',
      [HEADER, '"', ...Array(300).fill('x'.repeat(5_000))],
      'input:202: is longer than 1000000 characters, so this is no table',
    ],
    [
      'more cells than the first',
      [HEADER, lineOf(0), `${lineOf(1)},5`],
      'input:3: has 7 columns, and the first row 6',
    ],
  ])('are refused with %s', async (_, lines, message) => {
    expect(await refusalOfReading(read([lines.join('\n')]))).toBe(message)
  })

  test.each([
    ['0x10', "'0x10' is not a plain decimal number"],
    ['1,5'.replace(',', "'"), "'1'5' is not a plain decimal number"],
    ['1e', "'1e' is not a plain decimal number"],
    ['Infinity', "'Infinity' is not a plain decimal number"],
    [`1${'0'.repeat(30)}`, `'1${'0'.repeat(30)}' has more than 30 digits before the decimal point`],
    [`0.${'1'.repeat(31)}`, `'0.${'1'.repeat(31)}' has more than 30 decimals`],
    ['x'.repeat(70), `'${'x'.repeat(60)}…' is not a plain decimal number`],
  ])('with the amount %s are refused', async (amount, message) => {
    const lines = [HEADER, `2015-01-01,1,${amount},1,2,3`]
    expect(await refusalOfReading(read([lines.join('\n')]))).toBe(`input:2: column 'high': ${message}`)
  })
})

describe('reading', () => {
  /** A table of many pieces, and how many of them were taken. */
  function makePieces(pieces: number, rowsEach: number) {
    const state = { taken: 0, isClosed: false }
    function* generate() {
      try {
        yield `${HEADER}\n`
        for (let i = 0; i < pieces; i += 1) {
          state.taken += 1
          yield `${Array.from({ length: rowsEach }, (_, n) => lineOf(n)).join('\n')}\n`
        }
      } finally {
        state.isClosed = true
      }
    }
    return { state, source: generate() }
  }

  test('takes little more of the source than is asked for, and closes it when the reader leaves', async () => {
    const { state, source } = makePieces(10_000, 10)
    let count = 0
    for await (const _ of read(source)) {
      count += 1
      // What the buffers of two streams hold.
      expect(state.taken).toBeLessThan(count / 10 + 200)
      if (count === 2_500) break
    }
    expect(count).toBe(2_500)
    expect(state.isClosed).toBe(true)
  })

  test('holds no more memory for a long table than for a short one', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { source } = makePieces(600, 500)
    let count = 0
    let early = 0
    for await (const _ of read(source)) {
      count += 1
      if (count === 30_000) {
        collect()
        early = process.memoryUsage().heapUsed
      }
      if (count === 299_999) collect()
    }
    expect(count).toBe(300_000)
    expect(process.memoryUsage().heapUsed - early).toBeLessThan(5_000_000)
  })

  test.skipIf(openFiles() === undefined).each(['btc.csv', 'btc.csv.gz'])(
    'closes %s at the end, when the reader leaves, and after an error',
    async (name) => {
      using folder = makeFolder()
      const path = folder.path(name)
      const write = (lines: readonly string[]) => {
        const text = lines.join('\n')
        writeFileSync(path, name.endsWith('.gz') ? gzipSync(text, { level: 0 }) : text)
      }
      const isOpen = () => openFiles()?.includes(path)

      write(linesOf(50_000))
      for await (const _ of read(path)) {
        expect(isOpen()).toBe(true)
        break
      }
      expect(isOpen()).toBe(false)
      expect(await volumes(path)).toHaveLength(50_000)
      expect(isOpen()).toBe(false)
      write(linesOf(50_000).with(10, 'broken'))
      await refusalOfReading(read(path))
      expect(isOpen()).toBe(false)
    },
  )

  test('opens nothing until it begins', async () => {
    const { state, source } = makePieces(1, 1)
    const rows = read(source)
    expect(state.taken).toBe(0)
    await rows.return(undefined)
    expect(state.taken).toBe(0)
    expect(() => read('/no/such/file.csv')).not.toThrow()
  })
})
