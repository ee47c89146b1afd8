// A make-believe exchange, for the bot loop: it fills every order at once, in two parts, at a price that swings.

export interface PaperFill {
  readonly id: string
  readonly orderId: string
  readonly clientOrderId: string
  readonly side: 'buy' | 'sell'
  readonly price: string
  readonly quantity: string
  readonly fee: string
  readonly at: Date
}

interface PaperOrder {
  readonly clientOrderId: string
  readonly side: 'buy' | 'sell'
  /** In hundredths of a coin. */
  readonly hundredths: number
}

const START = Date.parse('2025-03-01T10:00:00Z')
const MINUTE_MS = 60_000
const PRICES = ['99.50', '98.75', '98.20', '99.10', '100.40', '101.25', '101.90', '100.80']

export class PaperExchange {
  readonly #fills: PaperFill[] = []
  #minute = 0

  /** Lets a minute pass. */
  tick(): void {
    this.#minute += 1
  }

  price(): string {
    return PRICES[this.#minute % PRICES.length] ?? '100'
  }

  send(order: PaperOrder): string {
    const orderId = `X-${order.clientOrderId}`
    const first = Math.ceil(order.hundredths / 2)
    for (const hundredths of [first, order.hundredths - first]) {
      if (hundredths === 0) continue
      const number = this.#fills.length + 1
      this.#fills.push({
        id: `T-${number}`,
        orderId,
        clientOrderId: order.clientOrderId,
        side: order.side,
        price: this.price(),
        quantity: `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`,
        fee: '0.01',
        at: new Date(START + this.#minute * MINUTE_MS + number),
      })
    }
    return orderId
  }

  /** The last fills, oldest first, as every exchange can list them. */
  fills(limit = 20): readonly PaperFill[] {
    return this.#fills.slice(-limit)
  }
}
