/** Entry of a storage worker with the accounts' operations. */

import { accountOperations } from '../../../server/auth/store.ts'
import { runStorageWorker } from '../../../server/storage/worker.ts'
import { dataOperations } from './data.ts'

runStorageWorker([...accountOperations, ...dataOperations])
