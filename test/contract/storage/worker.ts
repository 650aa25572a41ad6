/** Entry of a storage worker with the test's operations. */

import { runStorageWorker } from '../../../server/storage/worker.ts'
import { operations } from './operations.ts'

runStorageWorker(operations)
