/**
 * `spot`: the currency itself. `linear`: a contract whose PnL is in the quote currency. `inverse`: one whose PnL is in
 * the base currency.
 */
export const INSTRUMENT_KINDS = ['spot', 'linear', 'inverse'] as const
export type InstrumentKind = (typeof INSTRUMENT_KINDS)[number]
