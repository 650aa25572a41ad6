/** Entry of storage's threads: the operations of the accounts and of every module, by static import. */

import { componentOperations } from '../server/auth/components.ts'
import { accountOperations } from '../server/auth/store.ts'
import { runStorageWorker } from '../server/storage/worker.ts'
import { administrationOperations } from './administration/store.sqlite.ts'
import { offlineOperations } from './offline/store.sqlite.ts'
import { pubsubOperations } from './pubsub/store.sqlite.ts'
import { repositoryOperations } from './repository/store.sqlite.ts'
import { rosterOperations } from './roster/store.sqlite.ts'
import { sacmOperations } from './sacm/store.sqlite.ts'
import { uploadOperations } from './upload/store.sqlite.ts'
import { vcardOperations } from './vcard/store.sqlite.ts'

runStorageWorker([
  ...accountOperations,
  ...componentOperations,
  ...pubsubOperations,
  ...repositoryOperations,
  ...rosterOperations,
  ...offlineOperations,
  ...sacmOperations,
  ...uploadOperations,
  ...administrationOperations,
  ...vcardOperations,
])
