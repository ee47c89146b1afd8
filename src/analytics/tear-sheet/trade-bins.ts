/** How many trades had a net of at least `from` and less than `to`. */
export interface TradeBin {
  /** Null in a first bin that takes all that is less. */
  readonly from: number | null
  /** Null in a last bin that takes all that is more. */
  readonly to: number | null
  readonly count: number
}

/** About as many bins as a reader can tell apart on a phone; fewer of a few trades, which would stand alone in them. */
const BINS_MAX = 20
const BINS_MIN = 4
/** One huge trade would press all others into one bin. So the middle 98 of a hundred set the width … */
const TAIL = 0.01
/** … and what lies further out than so many bins more is counted in a bin of its own that has no end. */
const SPARE_BINS = 5
/** Of the largest result: with a finer width, bins could not be told apart by their numbers. */
const FINEST = 1e-9

/**
 * Returns how the net results of trades are distributed, in bins of a round width, of which one begins at zero: so none has both
 * losses and wins. A draw is in the one that begins at zero.
 */
export function tradeBins(nets: readonly number[]): TradeBin[] {
  const sorted = [...nets].sort((a, b) => a - b)
  const [least, most] = [sorted[0], sorted.at(-1)]
  if (least === undefined || most === undefined) return []
  const low = sorted[Math.floor(TAIL * (sorted.length - 1))] ?? least
  const high = sorted[Math.ceil((1 - TAIL) * (sorted.length - 1))] ?? most
  const range = high > low ? high - low : most - least || Math.abs(most)
  const bins = Math.min(BINS_MAX, Math.max(BINS_MIN, Math.ceil(2 * Math.sqrt(sorted.length))))
  const width = roundWidth(Math.max(range / bins, Math.max(-least, most) * FINEST))
  const lowest = width.below(low)
  const highest = width.below(high)
  const first = Math.max(width.below(least), lowest - SPARE_BINS)
  const last = Math.min(width.below(most), highest + SPARE_BINS)
  const counts = new Array<number>(last - first + 1).fill(0)
  let [before, after] = [0, 0]
  for (const net of sorted) {
    const bin = width.below(net)
    if (bin < first) before++
    else if (bin > last) after++
    else counts[bin - first] = (counts[bin - first] ?? 0) + 1
  }
  const filled: TradeBin[] = counts.map((count, i) => ({
    from: width.edge(first + i),
    to: width.edge(first + i + 1),
    count,
  }))
  if (before > 0) filled.unshift({ from: null, to: width.edge(first), count: before })
  if (after > 0) filled.push({ from: width.edge(last + 1), to: null, count: after })
  return filled
}

interface Width {
  /** Where the bin of this number begins: bin 0 at zero. */
  edge(bin: number): number
  /** The bin that a value is in. */
  below(value: number): number
}

/** The least of 1, 2 and 5 times a power of ten that is not below `least`. */
function roundWidth(least: number): Width {
  const exponent = least > 0 ? Math.floor(Math.log10(least)) : 0
  const step = [1, 2, 5, 10].find((one) => powerOfTen(one, exponent) >= least) ?? 10
  const edge = (bin: number) => powerOfTen(bin * step, exponent)
  function below(value: number): number {
    let bin = Math.floor(value / edge(1))
    // The quotient may have been rounded over an edge. The edge itself is the double nearest to it, as the value is.
    while (value < edge(bin)) bin--
    while (value >= edge(bin + 1)) bin++
    return bin
  }
  return { edge, below }
}

/** `whole · 10^exponent`, rounded once: a negative power of ten is no double. */
function powerOfTen(whole: number, exponent: number): number {
  return exponent < 0 ? whole / 10 ** -exponent : whole * 10 ** exponent
}
