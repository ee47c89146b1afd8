import { Decimal as ForeignDecimal } from 'decimal.js'
import { describe, expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import {
  applyFill,
  applyFunding,
  type CostBasisMethod,
  calculateAveragePrice,
  calculateEntryPrice,
  calculateExitPrice,
  calculateNetPnl,
  calculateReturnFraction,
  calculateSignedCost,
  calculateUnrealisedPnl,
  type FillFact,
  type FillOutcome,
  type InstrumentTerms,
  type PositionState,
} from '../../src/trading/position-math.ts'

const d = (text: string) => new Decimal(text)
const terms = { baseCurrency: 'BTC', quoteCurrency: 'USDT', settleCurrency: 'USDT', contractSize: d('1') }
const linear: InstrumentTerms = { kind: 'linear', ...terms }
const spot: InstrumentTerms = { kind: 'spot', ...terms }
/** A contract of 100 dollars, settled in BTC. */
const inverse: InstrumentTerms = {
  kind: 'inverse',
  baseCurrency: 'BTC',
  quoteCurrency: 'USD',
  settleCurrency: 'BTC',
  contractSize: d('100'),
}

let clock = 0
function makeFill(
  side: 'buy' | 'sell',
  quantity: string,
  price: string,
  over: Partial<FillFact> = {},
): FillFact {
  clock += 1
  return {
    side,
    positionSide: 'net',
    price: d(price),
    quantity: d(quantity),
    fee: d('0'),
    feeCurrency: 'USDT',
    executedAt: new Date(clock),
    ...over,
  }
}
const buy = (quantity: string, price: string, over?: Partial<FillFact>) =>
  makeFill('buy', quantity, price, over)
const sell = (quantity: string, price: string, over?: Partial<FillFact>) =>
  makeFill('sell', quantity, price, over)

function play(fills: FillFact[], instrument = linear, method: CostBasisMethod = 'average'): FillOutcome[] {
  const outcomes: FillOutcome[] = []
  for (const fill of fills) outcomes.push(applyFill(outcomes.at(-1)?.position, fill, instrument, method))
  return outcomes
}

/** The outcome of the last fill. */
function playLast(fills: FillFact[], instrument = linear, method: CostBasisMethod = 'average'): FillOutcome {
  const outcome = play(fills, instrument, method).at(-1)
  if (outcome === undefined) throw new Error('no fills')
  return outcome
}

function opened(outcome: FillOutcome): PositionState {
  if (outcome.position === undefined) throw new Error('nothing is open')
  return outcome.position
}

function closed(outcome: FillOutcome): PositionState {
  if (outcome.closed === undefined) throw new Error('nothing was closed')
  return outcome.closed
}

const text = (amount: Decimal | null | undefined) => amount?.toFixed()

describe('applyFill, netted', () => {
  it('earns ten on a short sold at 100 and covered at 90', () => {
    const outcome = playLast([sell('1', '100'), buy('1', '90')])
    expect(text(outcome.realisedGross)).toBe('10')
    expect(outcome.position).toBeUndefined()
    expect(closed(outcome)).toMatchObject({ direction: 'short', fillCount: 2, lots: [] })
    expect(text(closed(outcome).quantity)).toBe('0')
    expect(text(closed(outcome).cost)).toBe('0')
    expect(text(calculateEntryPrice(closed(outcome), linear))).toBe('100')
    expect(text(calculateExitPrice(closed(outcome), linear))).toBe('90')
  })

  it('books a partial exit on its own fill and leaves the rest of the cost', () => {
    // 2 at 100 and 2 at 110 cost 420, average 105. Selling 1 at 108 removes 105 and earns 3; 315 stays for 3.
    const outcome = playLast([buy('2', '100'), buy('2', '110'), sell('1', '108')])
    expect(text(outcome.realisedGross)).toBe('3')
    expect(text(outcome.cashFlow)).toBe('108')
    expect(text(opened(outcome).quantity)).toBe('3')
    expect(text(opened(outcome).cost)).toBe('315')
    expect(text(opened(outcome).peakQuantity)).toBe('4')
    expect(text(calculateAveragePrice(opened(outcome), linear))).toBe('105')
    expect(outcome.closed).toBeUndefined()
  })

  it.each([
    // Selling 3 at 120 of 2 at 100 and 2 at 110: oldest first removes 200 + 110, newest first 220 + 100.
    ['fifo', '50', '110', [1, 2], 2],
    ['lifo', '40', '100', [2, 1], 1],
  ] as const)('uses the lots in the order of %s', (method, gross, cost, used, left) => {
    const outcome = playLast([buy('2', '100'), buy('2', '110'), sell('3', '120')], linear, method)
    expect(text(outcome.realisedGross)).toBe(gross)
    expect(text(opened(outcome).cost)).toBe(cost)
    expect(outcome.closures.map((closure) => closure.lotOrdinal)).toEqual(used)
    expect(outcome.closures.map((closure) => text(closure.quantity))).toEqual(['2', '1'])
    expect(outcome.closures.map((closure) => text(closure.proceeds))).toEqual(['240', '120'])
    expect(opened(outcome).lots).toHaveLength(1)
    const lot = opened(outcome).lots[0]
    expect(lot).toMatchObject({ ordinal: left })
    expect([text(lot?.quantity), text(lot?.originalQuantity), text(lot?.originalCost)]).toEqual([
      '1',
      '2',
      left === 2 ? '220' : '200',
    ])
  })

  it('numbers lots on, though earlier ones are used up, and from one in the next cycle', () => {
    const fills = [buy('1', '10'), sell('0.5', '10'), buy('1', '11'), sell('0.5', '10'), buy('1', '12')]
    const { position } = playLast(fills, linear, 'fifo')
    expect(position?.lots.map((lot) => lot.ordinal)).toEqual([2, 3])
    expect(position?.lotCount).toBe(3)
    const next = applyFill(position, sell('5', '10'), linear, 'fifo').position
    expect(next?.lots.map((lot) => lot.ordinal)).toEqual([1])
  })

  it.each(['average', 'fifo', 'lifo'] as const)('turns a long into a short in one fill (%s)', (method) => {
    // Long 1 at 100; 3 sold at 110 earn 10 on 1 and open a short of 2 that cost 220. The fee of 0.3 splits 0.1 to 0.2.
    const outcome = playLast([buy('1', '100'), sell('3', '110', { fee: d('0.3') })], linear, method)
    expect(text(outcome.realisedGross)).toBe('10')
    expect([outcome.effectiveQuantity, outcome.closedQuantity, outcome.openedQuantity].map(text)).toEqual([
      '3',
      '1',
      '2',
    ])
    expect(text(outcome.cashFlow)).toBe('330')
    expect(text(closed(outcome).fees)).toBe('0.1')
    expect(opened(outcome)).toMatchObject({ direction: 'short', fillCount: 1 })
    expect([opened(outcome).quantity, opened(outcome).cost, opened(outcome).fees].map(text)).toEqual([
      '2',
      '220',
      '0.2',
    ])
    expect(opened(outcome).openedAt).toEqual(new Date(clock))
    expect(opened(outcome).lotCount).toBe(method === 'average' ? 0 : 1)
  })

  it('gives both parts of a split fee that does not divide evenly, so that they add up', () => {
    // 1/3 of 0.1 is rounded at 40 decimals; the other part is the rest.
    const outcome = playLast([buy('1', '100'), sell('3', '110', { fee: d('0.1') })])
    expect(text(closed(outcome).fees)).toBe(`0.0${'3'.repeat(39)}`)
    expect(text(opened(outcome).fees)).toBe(`0.0${'6'.repeat(38)}7`)
  })

  it('multiplies by the contract size', () => {
    // 3 contracts of 0.01 BTC, bought at 50000 (cost 1500) and 2 sold at 51000: 1020 − 1000 = 20.
    const instrument = { ...linear, contractSize: d('0.01') }
    const outcome = playLast([buy('3', '50000'), sell('2', '51000')], instrument)
    expect(text(outcome.realisedGross)).toBe('20')
    expect(text(opened(outcome).cost)).toBe('500')
    expect(text(calculateEntryPrice(opened(outcome), instrument))).toBe('50000')
    expect(text(calculateExitPrice(opened(outcome), instrument))).toBe('51000')
    expect(text(calculateUnrealisedPnl(opened(outcome), d('49000'), instrument))).toBe('-10')
  })
})

describe('applyFill, inverse', () => {
  it('gains settlement currency on a long when the price rises, with the cash flow turned round', () => {
    // 10 contracts of 100 USD at 50000 are 0.02 BTC; sold at 62500 they are 0.016 BTC: 0.004 BTC gained.
    const [entry, exit] = play([buy('10', '50000'), sell('10', '62500')], inverse)
    expect(text(entry?.cashFlow)).toBe('0.02')
    expect(text(calculateSignedCost(entry?.position, inverse))).toBe('-0.02')
    expect(text(exit?.cashFlow)).toBe('-0.016')
    expect(text(exit?.realisedGross)).toBe('0.004')
    expect(text(calculateExitPrice(exit?.closed as PositionState, inverse))).toBe('62500')
  })

  it('loses on a short when the price rises, realised and unrealised alike', () => {
    const position = opened(playLast([sell('10', '50000')], inverse))
    expect(text(calculateUnrealisedPnl(position, d('62500'), inverse))).toBe('-0.004')
    expect(text(applyFill(position, buy('10', '62500'), inverse, 'average').realisedGross)).toBe('-0.004')
  })

  it('values the parts of a flip so that they add up to the fill', () => {
    // 1 contract at 30000 is 0.00333…; 3 sold at 30000 are 0.01 exactly, of which 2 opened are 0.00666…67.
    const outcome = playLast([buy('1', '30000'), sell('3', '30000')], inverse, 'fifo')
    expect(text(outcome.cashFlow)).toBe('-0.01')
    expect(text(closed(outcome).exitValue.plus(opened(outcome).cost))).toBe('0.01')
    expect(text(outcome.closures[0]?.proceeds)).toBe(`0.00${'3'.repeat(38)}`)
  })

  it('gives each of several lots its part of the closing value without a remainder', () => {
    const fills = [buy('1', '30000'), buy('1', '31000'), buy('1', '32000'), sell('4', '30000')]
    const outcome = playLast(fills, inverse, 'lifo')
    const proceeds = outcome.closures.reduce((sum, closure) => sum.plus(closure.proceeds), d('0'))
    expect(text(proceeds)).toBe(text(closed(outcome).exitValue))
    expect(text(proceeds.plus(opened(outcome).cost))).toBe(text(outcome.cashFlow.neg()))
  })

  it('values a quote fee at the price of the fill, and takes a fee in settlement currency as it is', () => {
    const quoteFee = playLast([buy('10', '50000', { fee: d('5'), feeCurrency: 'USD' })], inverse)
    expect(text(quoteFee.feeInSettlement)).toBe('0.0001')
    const baseFee = playLast([buy('10', '50000', { fee: d('0.0002'), feeCurrency: 'BTC' })], inverse)
    expect(text(baseFee.feeInSettlement)).toBe('0.0002')
    expect(text(baseFee.effectiveQuantity)).toBe('10')
  })
})

describe('applyFill, hedged', () => {
  it('closes a side with the fill against it and reports what it had no position for', () => {
    const side = { positionSide: 'long' } as const
    const outcome = playLast([buy('1', '100', side), sell('3', '110', { ...side, fee: d('0.3') })])
    expect(text(outcome.realisedGross)).toBe('10')
    expect([outcome.closedQuantity, outcome.openedQuantity, outcome.excessQuantity].map(text)).toEqual([
      '1',
      '0',
      '2',
    ])
    expect(outcome.position).toBeUndefined()
    // Nothing was sold but the 1 that was held; and the whole fee is the cycle's, there being nobody else to bear it.
    expect(text(outcome.cashFlow)).toBe('110')
    expect(text(closed(outcome).fees)).toBe('0.3')
  })

  it('opens nothing with a closing fill when nothing is open, and keeps its fee on the fill', () => {
    const outcome = playLast([sell('2', '100', { positionSide: 'long', fee: d('0.1') })])
    expect(outcome.position).toBeUndefined()
    expect(outcome.closed).toBeUndefined()
    expect([outcome.excessQuantity, outcome.cashFlow, outcome.feeInSettlement].map(text)).toEqual([
      '2',
      '0',
      '0.1',
    ])
  })

  it('opens a short side with sells and closes it with buys', () => {
    const side = { positionSide: 'short' } as const
    const outcomes = play([sell('1', '100', side), sell('1', '104', side), buy('2', '90', side)])
    expect(opened(outcomes[1] as FillOutcome).direction).toBe('short')
    expect(text(outcomes[2]?.realisedGross)).toBe('24')
  })

  it('refuses a position of the other side', () => {
    const position = opened(playLast([buy('1', '100')]))
    expect(() => applyFill(position, sell('1', '100', { positionSide: 'short' }), linear, 'average')).toThrow(
      expect.objectContaining({ code: 'invalid_input', field: 'positionSide' }),
    )
  })
})

describe('fees and funding', () => {
  it('lowers what is held by a base fee on spot, and net of fees is the cash', () => {
    // Paid 100 for 1, of which 0.001 went as fee (worth 0.1): 0.999 at 99.9. Sold 0.999 at 110 for 109.89: net 9.89.
    const [entry, exit] = play(
      [buy('1', '100', { fee: d('0.001'), feeCurrency: 'BTC' }), sell('0.999', '110')],
      spot,
    )
    expect([entry?.position?.quantity, entry?.position?.cost, entry?.feeInSettlement].map(text)).toEqual([
      '0.999',
      '99.9',
      '0.1',
    ])
    expect(text(exit?.realisedGross)).toBe('9.99')
    expect(text(calculateNetPnl(closed(exit as FillOutcome)))).toBe('9.89')
  })

  it('takes a base fee of a spot sale from what is held besides', () => {
    const outcome = playLast(
      [buy('1', '100'), sell('0.9', '110', { fee: d('0.1'), feeCurrency: 'BTC' })],
      spot,
    )
    expect(outcome.position).toBeUndefined()
    // 1 left for 110 less 100; the fee of 11 makes the net −1, and 99 came in for the 100 spent.
    expect(text(outcome.effectiveQuantity)).toBe('1')
    expect(text(calculateNetPnl(closed(outcome)))).toBe('-1')
  })

  it('keeps only the fee when it takes all that a spot buy brought', () => {
    const nothing = buy('1', '100', { fee: d('1'), feeCurrency: 'BTC' })
    const flat = playLast([nothing], spot)
    expect(flat.position).toBeUndefined()
    expect([flat.effectiveQuantity, flat.cashFlow, flat.feeInSettlement].map(text)).toEqual(['0', '0', '100'])
    const position = opened(playLast([buy('2', '90'), nothing], spot, 'fifo'))
    expect([position.quantity, position.cost, position.fees].map(text)).toEqual(['2', '180', '100'])
    expect(position).toMatchObject({ fillCount: 2, lotCount: 1 })
  })

  it('treats a spot buy with a base fee larger than itself as the sale that it was', () => {
    // 1 came and 1.5 went: 0.5 of the 2 held at 90 left at 100 and earned 5. Fee 150: cash −180 − 100 = 50 − 150 − 180.
    const outcome = playLast([buy('2', '90'), buy('1', '100', { fee: d('1.5'), feeCurrency: 'BTC' })], spot)
    expect([outcome.realisedGross, outcome.effectiveQuantity, outcome.cashFlow].map(text)).toEqual([
      '5',
      '0.5',
      '50',
    ])
    expect(text(opened(outcome).quantity)).toBe('1.5')
    expect(text(opened(outcome).fees)).toBe('150')
  })

  it('leaves the quantity of a derivative alone when its fee is in base currency', () => {
    const outcome = playLast([buy('1', '100', { fee: d('0.001'), feeCurrency: 'BTC' })])
    expect([outcome.effectiveQuantity, outcome.feeInSettlement].map(text)).toEqual(['1', '0.1'])
  })

  it('keeps a fee in a third currency apart, and net unknown, until its value is given', () => {
    const bnb = { fee: d('0.01'), feeCurrency: 'BNB' }
    const unknown = playLast([buy('1', '100', bnb), sell('3', '110', { ...bnb, fee: d('0.03') })])
    expect(unknown.feeInSettlement).toBeNull()
    expect(text(closed(unknown).unvaluedFees.BNB)).toBe('0.02')
    expect(text(opened(unknown).unvaluedFees.BNB)).toBe('0.02')
    expect(text(closed(unknown).fees)).toBe('0')
    expect(calculateNetPnl(closed(unknown))).toBeNull()
    const known = playLast([buy('1', '100', { ...bnb, feeInSettlement: d('6') }), sell('1', '110')])
    expect(text(calculateNetPnl(closed(known)))).toBe('4')
    expect(closed(known).unvaluedFees).toEqual({})
  })

  it('knows the value of no fee, in whatever currency', () => {
    const outcome = playLast([buy('1', '100', { feeCurrency: 'BNB' })])
    expect(text(outcome.feeInSettlement)).toBe('0')
    expect(opened(outcome).unvaluedFees).toEqual({})
  })

  it.each(['constructor', '__proto__'])('keeps fees in a currency named %s', (feeCurrency) => {
    const fee = { fee: d('1'), feeCurrency }
    const { unvaluedFees } = opened(playLast([buy('1', '100', fee), buy('1', '100', fee)]))
    expect(Object.entries(unvaluedFees).map(([currency, sum]) => [currency, text(sum)])).toEqual([
      [feeCurrency, '2'],
    ])
  })

  it('counts a rebate as a negative fee', () => {
    const outcome = playLast([buy('1', '100', { fee: d('-0.02') }), sell('1', '100', { fee: d('0.05') })])
    expect(text(closed(outcome).fees)).toBe('0.03')
    expect(text(calculateNetPnl(closed(outcome)))).toBe('-0.03')
    // A rebate in base currency adds to what a spot buy brought.
    const base = playLast([buy('1', '100', { fee: d('-0.1'), feeCurrency: 'BTC' })], spot)
    expect([base.effectiveQuantity, base.feeInSettlement].map(text)).toEqual(['1.1', '-10'])
  })

  it('adds funding to net and leaves gross, quantity and the position given as they were', () => {
    const position = opened(playLast([buy('1', '100')]))
    const funded = applyFunding(applyFunding(position, d('-0.5')), d('0.2'))
    expect([funded.funding, funded.realisedGross, funded.quantity].map(text)).toEqual(['-0.3', '0', '1'])
    expect(text(calculateNetPnl(funded))).toBe('-0.3')
    expect(text(position.funding)).toBe('0')
  })
})

describe('what cannot be', () => {
  it.each([
    ['price', { price: d('0') }],
    ['price', { price: d('NaN') }],
    ['quantity', { quantity: d('-1') }],
    ['fee', { fee: d('Infinity') }],
    ['feeInSettlement', { feeInSettlement: d('NaN') }],
  ] as const)('refuses a fill by its %s', (field, over) => {
    const refusal = expect.objectContaining({ code: 'invalid_input', field })
    expect(() => applyFill(undefined, buy('1', '1', over), linear, 'average')).toThrow(refusal)
  })

  it('refuses to close lots that the position does not have', () => {
    const position = opened(playLast([buy('1', '100')], linear, 'average'))
    const refusal = expect.objectContaining({ code: 'invalid_input', field: 'lots' })
    expect(() => applyFill(position, sell('1', '100'), linear, 'fifo')).toThrow(refusal)
  })

  it('never lets the rounding of a removed cost pass the cost itself', () => {
    // A cost of 6e-41, of which nine tenths round up to 1e-40.
    const dust = '0.000000000000000000000000000006'
    const outcome = playLast([buy('0.00000000001', dust), sell('0.000000000009', dust)])
    expect(opened(outcome).cost.isNegative()).toBe(false)
  })

  it('keeps every digit of amounts made by another copy of decimal.js', () => {
    const foreign = (digits: string) => new ForeignDecimal(digits) as unknown as Decimal
    const outcome = playLast([
      { ...buy('1', '1'), price: foreign('1.123456789012345'), quantity: foreign('3.123456789012345') },
    ])
    expect(text(outcome.cashFlow)).toBe('-3.509068734802618669120562399025')
  })

  it('has no price of nothing and no return on nothing', () => {
    const position = opened(playLast([buy('1', '100')]))
    expect(calculateExitPrice(position, linear)).toBeNull()
    expect(calculateReturnFraction(d('1'), d('0'))).toBeNull()
    expect(calculateReturnFraction(null, d('100'))).toBeNull()
    expect(text(calculateReturnFraction(d('5'), d('100')))).toBe('0.05')
  })
})
