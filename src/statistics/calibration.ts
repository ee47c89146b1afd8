import { invalid, readCount, readNumber } from './numbers.ts'

/** What somebody was sure of to a degree, and whether it came true. */
export interface Forecast {
  /** 0 to 1. */
  readonly confidence: number
  readonly isRight: boolean
}

/** Forecasts of about the same confidence: what calibration is made of, so that a database can add them up. */
export interface ForecastTally {
  /** 0 for the lowest band. */
  readonly band: number
  readonly count: number
  readonly rightCount: number
  /** Σ confidence. */
  readonly confidenceSum: number
  /** Σ (confidence − outcome)², where an outcome is 1 if the forecast was right, and else 0. */
  readonly squaredErrorSum: number
}

/** Forecasts from one confidence to another. */
export interface CalibrationBand {
  /** The confidence that the band begins with. */
  readonly from: number
  /** What it ends before; the last one includes it. */
  readonly to: number
  readonly count: number
  readonly rightCount: number
  /** Of the forecasts in it. */
  readonly meanConfidence: number
  /** Right / count. That of a well calibrated forecaster is near the mean confidence. */
  readonly rightShare: number
}

/** How far confidence can be taken at its word. */
export interface Calibration {
  readonly count: number
  /** Mean of (confidence − outcome)²: 0 is perfect, 0.25 is what always saying 0.5 gets, 1 is always being sure and wrong. Null of no forecast. */
  readonly brierScore: number | null
  /** Mean distance of mean confidence and share that was right, weighted by the forecasts in each band. Null of no forecast. */
  readonly calibrationError: number | null
  /** Mean confidence − share that was right, of all: above zero is too sure. Null of no forecast. */
  readonly overconfidence: number | null
  /** Those that have a forecast, the lowest first. */
  readonly bands: readonly CalibrationBand[]
}

/** Ten bands: 0 to 0.1, 0.1 to 0.2 and so on. */
export const CALIBRATION_BANDS = 10

/** Returns the band that a confidence falls into: from 0. One of 1 is in the last. @throws `invalid_input` naming the field. */
export function bandOf(confidence: number, bandCount: number = CALIBRATION_BANDS): number {
  readNumber(confidence, 'confidence', { least: 0, most: 1 })
  readCount(bandCount, 'bandCount')
  return Math.min(Math.floor(confidence * bandCount), bandCount - 1)
}

/** Adds forecasts up by band, the lowest first. @throws `invalid_input` naming the place, as `forecasts[3].confidence`. */
export function tallyForecasts(
  forecasts: readonly Forecast[],
  bandCount: number = CALIBRATION_BANDS,
): ForecastTally[] {
  readCount(bandCount, 'bandCount')
  const tallies = new Map<number, ForecastTally>()
  for (const [i, { confidence, isRight }] of forecasts.entries()) {
    readNumber(confidence, `forecasts[${i}].confidence`, { least: 0, most: 1 })
    const band = bandOf(confidence, bandCount)
    const { count = 0, rightCount = 0, confidenceSum = 0, squaredErrorSum = 0 } = tallies.get(band) ?? {}
    tallies.set(band, {
      band,
      count: count + 1,
      rightCount: rightCount + (isRight ? 1 : 0),
      confidenceSum: confidenceSum + confidence,
      squaredErrorSum: squaredErrorSum + (confidence - (isRight ? 1 : 0)) ** 2,
    })
  }
  return [...tallies.values()].toSorted((a, b) => a.band - b.band)
}

/**
 * Returns how well confidence went with being right.
 *
 * @throws `invalid_input` naming the place, as `tallies[3].band`.
 */
export function calibrate(
  tallies: readonly ForecastTally[],
  bandCount: number = CALIBRATION_BANDS,
): Calibration {
  readCount(bandCount, 'bandCount')
  const bands = tallies.map((tally, i) => bandFrom(tally, `tallies[${i}]`, bandCount))
  const count = sum(tallies.map((tally) => tally.count))
  if (count === 0) {
    return { count, brierScore: null, calibrationError: null, overconfidence: null, bands: [] }
  }
  const distances = bands.map((one) => one.count * Math.abs(one.meanConfidence - one.rightShare))
  const surplus = sum(tallies.map(({ confidenceSum, rightCount }) => confidenceSum - rightCount))
  return {
    count,
    brierScore: sum(tallies.map(({ squaredErrorSum }) => squaredErrorSum)) / count,
    calibrationError: sum(distances) / count,
    overconfidence: surplus / count,
    bands: bands.toSorted((a, b) => a.from - b.from),
  }
}

function bandFrom(tally: ForecastTally, field: string, bandCount: number): CalibrationBand {
  const { band, count, rightCount, confidenceSum } = tally
  readCount(count, `${field}.count`)
  if (!Number.isInteger(band) || band < 0 || band >= bandCount) {
    throw invalid(`${field}.band`, `${band} is no whole number from 0 to ${bandCount - 1}`)
  }
  readNumber(rightCount, `${field}.rightCount`, { least: 0, most: count })
  readNumber(confidenceSum, `${field}.confidenceSum`, { least: 0, most: count })
  return {
    from: band / bandCount,
    to: (band + 1) / bandCount,
    count,
    rightCount,
    meanConfidence: confidenceSum / count,
    rightShare: rightCount / count,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
