/** Every storage operation of the repository, for the worker. */

import type { Operation } from '../../server/module/api.ts'
import { savePolicy, saveResult } from './content.sqlite.ts'
import { findEndpoint, loadReplica, setLabel, unbind } from './endpoint.sqlite.ts'
import { listEndpoints, listPolicies, listPosture, listResults, readPolicy } from './query.sqlite.ts'
import { dropOldParts, saveReport } from './report.sqlite.ts'

export const repositoryOperations = [
  dropOldParts,
  findEndpoint,
  listEndpoints,
  listPolicies,
  listPosture,
  listResults,
  loadReplica,
  readPolicy,
  savePolicy,
  saveReport,
  saveResult,
  setLabel,
  unbind,
] as const satisfies readonly Operation<never>[]
