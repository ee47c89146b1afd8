import { afterAll, expect, vi } from 'vitest'

// Test files share a process, so what one leaves changed would meet another that knows nothing of it.

const EVENTS = ['uncaughtException', 'unhandledRejection', 'SIGINT', 'SIGTERM'] as const

function stateNow() {
  return {
    folder: process.cwd(),
    hasFakeTimers: vi.isFakeTimers(),
    clock: [Date, Date.now, performance.now, setTimeout, setInterval],
    listeners: EVENTS.map((event) => `${process.listenerCount(event)} of ${event}`),
  }
}

const before = stateNow()
const environment = { ...process.env }

afterAll(() => {
  expect(stateNow()).toEqual(before)
  const names = Object.keys({ ...environment, ...process.env })
  // Only names: a value may be a password.
  expect(names.filter((name) => process.env[name] !== environment[name])).toEqual([])
})
