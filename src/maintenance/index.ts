export { type CandlePartition, type EnsurePartitionsInput, ensurePartitions } from './partitions.ts'
