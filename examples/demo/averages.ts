import { Decimal } from 'tradeblotter'

/** What two averages of the last closes say. */
export interface Crossing {
  readonly fast: Decimal
  readonly slow: Decimal
  /** Part of the closes in the fast average that lie on its side of the slow one, 0 to 1. */
  readonly agreement: number
}

/** Keeps the sums of the last closes, which is all that comparing two averages takes. */
export class MovingAverages {
  readonly #closes: Decimal[] = []
  readonly #fast: number
  readonly #slow: number
  #fastSum = new Decimal(0)
  #slowSum = new Decimal(0)

  constructor(fast: number, slow: number) {
    this.#fast = fast
    this.#slow = slow
  }

  /** Returns 1 while the fast average is above the slow one, −1 while it is below, 0 if equal or too early to tell. */
  add(close: Decimal): number {
    const closes = this.#closes
    this.#fastSum = this.#fastSum.plus(close).minus(closes.at(-this.#fast) ?? 0)
    this.#slowSum = this.#slowSum.plus(close).minus(closes.at(-this.#slow) ?? 0)
    closes.push(close)
    if (closes.length < this.#slow) return 0
    return this.#fastSum.times(this.#slow).comparedTo(this.#slowSum.times(this.#fast))
  }

  /** Of the last `slow` closes, of which there are as many. */
  get crossing(): Crossing {
    const [fast, slow] = [average(this.#fastSum, this.#fast), average(this.#slowSum, this.#slow)]
    const recent = this.#closes.slice(-this.#fast)
    const agreeing = recent.filter((close) => close.comparedTo(slow) === fast.comparedTo(slow))
    return { fast, slow, agreement: agreeing.length / recent.length }
  }
}

const DECIMALS = 8

function average(total: Decimal, of: number): Decimal {
  return total.div(of).toDecimalPlaces(DECIMALS)
}
