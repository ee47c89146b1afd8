/**
 * What a currency stands for in an economic calendar: tokens and offshore forms, by the currency whose worth they are meant
 * to keep. Currencies are in capitals.
 */
export const CURRENCY_PEGS: Readonly<Record<string, string>> = {
  ...pegsTo('USD', [
    'USDT',
    'USDT0',
    'USDC',
    'FDUSD',
    'FUSD',
    'TUSD',
    'BUSD',
    'GUSD',
    'PYUSD',
    'RLUSD',
    'SUSD',
    'DAI',
    'USDS',
    'USDE',
    'USDP',
    'USDD',
    'USDG',
    'USDH',
    'USD1',
    'LUSD',
    'FRAX',
  ]),
  ...pegsTo('EUR', ['EURC', 'EURT', 'EURS', 'EURI', 'EURR', 'EURQ', 'AEUR']),
  ...pegsTo('GBP', ['GBPT', 'TGBP']),
  ...pegsTo('JPY', ['GYEN', 'JPYC']),
  ...pegsTo('CHF', ['XCHF']),
  ...pegsTo('SGD', ['XSGD']),
  ...pegsTo('TRY', ['TRYB']),
  ...pegsTo('BRL', ['BRZ']),
  ...pegsTo('CNY', ['CNH', 'CNHT']),
}

/** The currency of events that concern everybody, as calendars write it. */
export const EVERY_CURRENCY = 'ALL'

/** Writes a currency as the calendar keeps it: in capitals, without spaces around it. */
export function normaliseCurrency(currency: string): string {
  return currency.trim().toUpperCase()
}

/**
 * Returns the currencies whose events concern one who holds these: they themselves, those that they are pegged to, and
 * `ALL`. Each once.
 */
export function listConcernedCurrencies(currencies: readonly string[]): string[] {
  const concerned = new Set<string>()
  for (const currency of currencies.map(normaliseCurrency)) {
    concerned.add(currency)
    const peg = Object.hasOwn(CURRENCY_PEGS, currency) ? CURRENCY_PEGS[currency] : undefined
    if (peg !== undefined) concerned.add(peg)
  }
  return [...concerned.add(EVERY_CURRENCY)]
}

function pegsTo(currency: string, tokens: readonly string[]): Record<string, string> {
  return Object.fromEntries(tokens.map((token) => [token, currency]))
}
