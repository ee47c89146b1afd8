import { toCopyText } from '../db/copy.ts'
import type { CandleValues } from './candle-check.ts'
import type { SeriesName } from './series.ts'

interface ChunkSeries {
  readonly name: SeriesName
  /** Among the series of the chunk, from 1. */
  readonly place: number
  /** The latest open time. */
  last: string
  /** Every open time; made when one comes that is not later than all before. */
  times: Set<string> | undefined
}

interface Row {
  readonly place: number
  readonly values: CandleValues
}

/** The only text that a caller is free to write. */
const SOURCE = 11
/** Every buffer costs a turn of the event loop. */
const ROWS_PER_BUFFER = 10_000

/** Candles on their way into one statement, which takes each of them once. */
export class CandleChunk {
  readonly #series = new Map<string, ChunkSeries>()
  readonly #rows: Row[] = []

  get size(): number {
    return this.#rows.length
  }

  /** The names of its series, by their places. */
  get series(): SeriesName[] {
    return [...this.#series.values()].map(({ name }) => name)
  }

  /** Takes a candle; false if it has one of the same open time already. */
  add(key: string, name: SeriesName, values: CandleValues): boolean {
    const series = this.#series.get(key) ?? this.#addSeries(key, name)
    const [openTime] = values
    if (openTime > series.last) {
      series.last = openTime
    } else {
      series.times ??= this.#timesOf(series.place)
      if (series.times.has(openTime)) return false
    }
    series.times?.add(openTime)
    this.#rows.push({ place: series.place, values })
    return true
  }

  #addSeries(key: string, { exchange, symbol, timeframe }: SeriesName): ChunkSeries {
    const place = this.#series.size + 1
    const series = { name: { exchange, symbol, timeframe }, place, last: '', times: undefined }
    this.#series.set(key, series)
    return series
  }

  #timesOf(place: number): Set<string> {
    return new Set(this.#rows.filter((row) => row.place === place).map((row) => row.values[0]))
  }

  /** Its rows as lines of COPY: place, then values. */
  toCopy(): Buffer[] {
    const buffers: Buffer[] = []
    for (let start = 0; start < this.#rows.length; start += ROWS_PER_BUFFER) {
      let lines = ''
      for (const { place, values } of this.#rows.slice(start, start + ROWS_PER_BUFFER)) {
        lines += place
        for (let i = 0; i < SOURCE; i++) lines += `\t${values[i] ?? '\\N'}`
        const source = values[SOURCE]
        lines += `\t${typeof source === 'string' ? toCopyText(source) : '\\N'}`
        lines += '\n'
      }
      buffers.push(Buffer.from(lines))
    }
    return buffers
  }

  /** Its rows as columns: place, then values. */
  toColumns(): unknown[][] {
    const width = this.#rows[0]?.values.length ?? 0
    return [
      this.#rows.map(({ place }) => place),
      ...Array.from({ length: width }, (_, i) => this.#rows.map(({ values }) => values[i])),
    ]
  }
}
