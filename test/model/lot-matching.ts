import { larger, quotient, type Rational, signed, smaller, ZERO } from './rational.ts'

export type ModelMethod = 'average' | 'fifo' | 'lifo'

/** One step within a cycle: some quantity entered or left at some value. */
export interface MatchedLeg {
  readonly kind: 'entry' | 'exit'
  readonly quantity: Rational
  readonly value: Rational
}

export interface Matching {
  /** The cost that each leg removed, by its index; zero for entries. */
  readonly removed: readonly Rational[]
  /** What is left of each entry, in the order of entry; none for average cost. */
  readonly remaining: readonly {
    readonly entry: number
    readonly quantity: Rational
    readonly cost: Rational
  }[]
}

/** Returns which cost the exits of one cycle removed, and what is left of its entries. */
export function match(legs: readonly MatchedLeg[], method: ModelMethod): Matching {
  if (method === 'average') return { removed: matchPool(legs), remaining: [] }
  const taken = method === 'fifo' ? takenInOrder(legs) : takenByLevel(legs)
  const removed: Rational[] = legs.map(() => ZERO)
  const remaining: Matching['remaining'][number][] = []
  for (const [entry, leg] of legs.entries()) {
    if (leg.kind !== 'entry') continue
    let { quantity, value: cost } = leg
    for (const [exit, part] of taken(entry)) {
      const share = shareOfCost(cost, part, quantity)
      removed[exit] = (removed[exit] ?? ZERO).add(share)
      cost = cost.sub(share)
      quantity = quantity.sub(part)
    }
    if (!quantity.isZero()) remaining.push({ entry, quantity, cost })
  }
  return { removed, remaining }
}

/** Returns what each exit removes from the pool of all that was entered before it. */
function matchPool(legs: readonly MatchedLeg[]): Rational[] {
  let quantity = ZERO
  let cost = ZERO
  return legs.map((leg) => {
    const removed = leg.kind === 'exit' ? shareOfCost(cost, leg.quantity, quantity) : ZERO
    const sign = leg.kind === 'exit' ? -1 : 1
    quantity = quantity.add(signed(sign, leg.quantity))
    cost = leg.kind === 'exit' ? cost.sub(removed) : cost.add(leg.value)
    return removed
  })
}

type Taken = (entry: number) => Iterable<[exit: number, quantity: Rational]>

/**
 * First in, first out. Put end to end, the entries fill a line, and so do the exits. An exit takes from an entry where
 * their stretches of that line overlap.
 */
function takenInOrder(legs: readonly MatchedLeg[]): Taken {
  const ends = { entry: ZERO, exit: ZERO }
  const stretches = legs.map(({ kind, quantity }, index) => {
    const from = ends[kind]
    ends[kind] = from.add(quantity)
    return { kind, index, from, to: ends[kind] }
  })
  const exits = stretches.filter(({ kind }) => kind === 'exit')
  return function* (entry) {
    const { from, to } = stretches[entry] ?? { from: ZERO, to: ZERO }
    for (const exit of exits) {
      if (exit.from.compare(to) >= 0) return
      if (exit.to.compare(from) <= 0) continue
      yield [exit.index, smaller(to, exit.to).sub(larger(from, exit.from))]
    }
  }
}

/**
 * Last in, first out. An entry raises the level of what is held from its floor to its ceiling; what is left of it at any
 * later time lies between that floor and the lowest level since. An exit takes what it lowers that by.
 */
function takenByLevel(legs: readonly MatchedLeg[]): Taken {
  let level = ZERO
  const levels = legs.map((leg) => {
    level = leg.kind === 'entry' ? level.add(leg.quantity) : level.sub(leg.quantity)
    return level
  })
  return function* (entry) {
    let top = levels[entry] ?? ZERO
    const floor = top.sub(legs[entry]?.quantity ?? ZERO)
    for (let exit = entry + 1; exit < legs.length && top.compare(floor) > 0; exit += 1) {
      const lowered = larger(smaller(top, levels[exit] ?? ZERO), floor)
      if (!lowered.equals(top)) yield [exit, top.sub(lowered)]
      top = lowered
    }
  }
}

/** Returns what `part` of `quantity` takes out of its cost; all of it takes all, without rounding. */
function shareOfCost(cost: Rational, part: Rational, quantity: Rational): Rational {
  return part.equals(quantity) ? cost : quotient(cost.mul(part), quantity)
}
