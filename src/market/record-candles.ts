import { setImmediate as nextTurn } from 'node:timers/promises'
import { canStage } from '../db/copy.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { checkCandle, checkSeries, type RefusedCandle, toRefusal } from './candle-check.ts'
import { CandleChunk } from './candle-chunk.ts'
import type { CandleInput } from './candle-input.ts'
import { preparePart } from './candle-write.ts'

export interface RecordCandlesInput {
  /** Any number, of any series, in any order. An async iterable is asked for more only when there is room. */
  readonly candles: Iterable<CandleInput> | AsyncIterable<CandleInput>
  /** Called after each part that was stored, with what has been done so far. */
  readonly onProgress?: ((progress: CandlesProgress) => void) | undefined
}

export interface CandlesProgress {
  /** New candles. */
  readonly inserted: number
  /** Candles that another report replaced. */
  readonly updated: number
  /** Reports that changed nothing: the same again, or one still forming of a candle that is complete. */
  readonly unchanged: number
  readonly refusedCount: number
}

export interface CandlesRecorded extends CandlesProgress {
  /** Every report that was not stored, with the reason. */
  readonly refused: readonly RefusedCandle[]
}

/** Rows that are stored at once: by COPY, and in a statement. */
const ROWS_COPIED = 50_000
const ROWS_SENT = 5_000
/** After so many rows checked in one go, other work of the process has its turn. */
const ROWS_PER_TURN = 2_500

/**
 * Stores candles and returns how many were new, replaced, unchanged and refused.
 *
 * A candle that contradicts itself or is off its timeframe's grid is refused with the reason, and no other is lost to it. A
 * complete candle is never replaced by one still forming; another complete report replaces it. What a report leaves out
 * (`quoteVolume`, say) is kept from an earlier one of the same volume. Safe to repeat, and safe beside other writers, which
 * wait for each other where they write the same series.
 *
 * Candles are stored in parts of up to 50,000, each at once or not at all. On an error the parts before stay: run it again.
 *
 * @throws `invalid_input` if `candles` cannot be iterated. An error of the iterable itself comes out unchanged.
 */
export async function recordCandles(db: Database, input: RecordCandlesInput): Promise<CandlesRecorded> {
  const writer = new CandleWriter(db, input.onProgress)
  if (!isIterable(input.candles)) {
    throw new DataError('invalid_input', 'candles is neither an array nor an (async) iterable', {
      field: 'candles',
    })
  }
  try {
    for await (const candle of input.candles) {
      const wait = writer.add(candle)
      if (wait) await wait
    }
    return await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

function isIterable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  )
}

class CandleWriter {
  readonly #db: Database
  readonly #onProgress: RecordCandlesInput['onProgress']
  readonly #rowsPerPart: number
  readonly #refused: RefusedCandle[] = []
  #chunk = new CandleChunk()
  /** The part that is on its way, which is done after all before it, and the one before it. */
  #sending: Promise<void> = Promise.resolve()
  #before: Promise<void> = Promise.resolve()
  #count = 0
  #inserted = 0
  #updated = 0
  #unchanged = 0
  #last: { readonly candle: CandleInput; readonly key: string } | undefined

  constructor(db: Database, onProgress: RecordCandlesInput['onProgress']) {
    this.#db = db
    this.#onProgress = onProgress
    this.#rowsPerPart = canStage(db) ? ROWS_COPIED : ROWS_SENT
  }

  /** Takes a candle. Who gives them waits for what is returned, if anything is. */
  add(candle: CandleInput): Promise<void> | undefined {
    const index = this.#count
    this.#count += 1
    let wait: Promise<void> | undefined
    try {
      const key = this.#keyOf(candle)
      const values = checkCandle(candle)
      if (!this.#chunk.add(key, candle, values)) {
        wait = this.#send()
        this.#chunk.add(key, candle, values)
      }
    } catch (thrown) {
      this.#refused.push(toRefusal(thrown, index, candle))
    }
    if (this.#chunk.size >= this.#rowsPerPart) return this.#send()
    return wait ?? (this.#count % ROWS_PER_TURN === 0 ? nextTurn() : undefined)
  }

  /** The candles of a series come one after the other, most often. */
  #keyOf(candle: CandleInput): string {
    if (typeof candle !== 'object' || candle === null) {
      throw new DataError('invalid_input', 'candle is no object', { field: 'candle' })
    }
    const last = this.#last
    const { exchange, symbol, timeframe } = candle
    if (
      last !== undefined &&
      last.candle.symbol === symbol &&
      last.candle.timeframe === timeframe &&
      last.candle.exchange === exchange
    ) {
      return last.key
    }
    checkSeries(candle)
    const key = `${exchange}\0${symbol}\0${timeframe}`
    this.#last = { candle, key }
    return key
  }

  /** Sends the part. Returns what to wait for: while one is written, the next may travel and a third be made ready. */
  #send(): Promise<void> {
    const { size } = this.#chunk
    const part = preparePart(this.#db, this.#chunk)
    this.#chunk = new CandleChunk()
    const room = this.#before
    this.#before = this.#sending
    this.#sending = part(this.#db, this.#before).then(({ inserted, updated }) => {
      this.#inserted += inserted
      this.#updated += updated
      this.#unchanged += size - inserted - updated
      this.#onProgress?.(this.#progress())
    })
    // Whoever gives candles hears of it with the next ones, or at the end.
    this.#sending.catch(() => undefined)
    return room
  }

  #progress(): CandlesProgress {
    return {
      inserted: this.#inserted,
      updated: this.#updated,
      unchanged: this.#unchanged,
      refusedCount: this.#refused.length,
    }
  }

  async finish(): Promise<CandlesRecorded> {
    if (this.#chunk.size > 0) await this.#send()
    await this.#sending
    return { ...this.#progress(), refused: this.#refused }
  }

  /** Waits for what is on its way, so that nothing is written after the verb has failed. */
  async abandon(): Promise<void> {
    await this.#sending.catch(() => undefined)
  }
}
