export * from './bundles.ts'
export * from './market.ts'
export * from './surroundings.ts'
