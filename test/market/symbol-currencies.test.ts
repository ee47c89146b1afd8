import { describe, expect, it } from 'vitest'
import { CURRENCY_PEGS, listConcernedCurrencies } from '../../src/market/symbol-currencies.ts'

describe('listConcernedCurrencies', () => {
  it('adds what a currency is pegged to, and what concerns everybody', () => {
    expect(listConcernedCurrencies(['BTC', 'USDT'])).toEqual(['BTC', 'USDT', 'USD', 'ALL'])
    expect(listConcernedCurrencies(['EURC', 'CNH'])).toEqual(['EURC', 'EUR', 'CNH', 'CNY', 'ALL'])
  })

  it('names each once, in capitals', () => {
    expect(listConcernedCurrencies(['usdc', ' USD ', 'USDe', 'All'])).toEqual(['USDC', 'USD', 'USDE', 'ALL'])
  })

  it('takes nothing for a peg that is none', () => {
    expect(listConcernedCurrencies(['constructor', '__proto__'])).toEqual(['CONSTRUCTOR', '__PROTO__', 'ALL'])
    expect(listConcernedCurrencies([])).toEqual(['ALL'])
  })
})

describe('CURRENCY_PEGS', () => {
  it('leads from tokens in capitals to currencies of three letters that are pegged to nothing', () => {
    for (const [token, currency] of Object.entries(CURRENCY_PEGS)) {
      expect(token).toMatch(/^[A-Z0-9]+$/)
      expect(currency).toMatch(/^[A-Z]{3}$/)
      expect(CURRENCY_PEGS[currency]).toBeUndefined()
    }
    expect(CURRENCY_PEGS).toMatchObject({ USDT: 'USD', USDC: 'USD', FUSD: 'USD', EURC: 'EUR' })
  })
})
