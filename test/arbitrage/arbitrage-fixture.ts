import type { RecordOpportunityInput } from '../../src/arbitrage/index.ts'
import type { ArbitrageLeg } from '../../src/arbitrage/schema/values.ts'
import { minute } from '../trading/ledger-fixture.ts'

export const NOBODY = '01890000-0000-7000-8000-000000000000'

/** An opportunity between two DEXes of one chain: 2 % of 100 on 3, less 1 and 0.5. */
export function opportunityOf(
  botId: string,
  over: Partial<RecordOpportunityInput> = {},
): RecordOpportunityInput {
  return {
    botId,
    kind: 'intra_chain',
    pair: 'WETH/USDC',
    buyExchange: 'uniswap',
    buyChain: 'ethereum',
    sellExchange: 'sushiswap',
    sellChain: 'ethereum',
    buyPrice: '100',
    sellPrice: '102',
    quantity: '3',
    currency: 'USDC',
    fees: '1',
    gasCost: '0.5',
    detectedAt: minute(0),
    expiresAt: minute(2),
    ...over,
  }
}

export function legOf(over: Partial<ArbitrageLeg> = {}): ArbitrageLeg {
  return { exchange: 'uniswap', chain: 'ethereum', pair: 'WETH/USDC', side: 'buy', price: '100', ...over }
}
