export * from './analyses.ts'
export * from './decisions.ts'
export * from './values.ts'
