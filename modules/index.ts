/** Every module, in the order in which they are set up. */

import type { Module } from '../server/module/api.ts'
import { administration } from './administration/index.ts'
import { bytestreams } from './bytestreams/index.ts'
import { caps } from './caps/index.ts'
import { commands } from './commands/index.ts'
import { contact } from './contact.ts'
import { disco } from './disco/index.ts'
import { hostmeta } from './hostmeta.ts'
import { lastactivity } from './lastactivity.ts'
import { offline } from './offline/index.ts'
import { ping } from './ping.ts'
import { pubsub } from './pubsub/index.ts'
import { registration } from './registration.ts'
import { repository } from './repository/index.ts'
import { roster } from './roster/index.ts'
import { sacm } from './sacm/index.ts'
import { serverinfo } from './serverinfo.ts'
import { time } from './time.ts'
import { upload } from './upload/index.ts'
import { vcard } from './vcard/index.ts'
import { version } from './version.ts'

export const modules: readonly Module[] = [
  disco,
  caps,
  contact,
  hostmeta,
  commands,
  registration,
  ping,
  version,
  time,
  roster,
  administration,
  offline,
  lastactivity,
  pubsub,
  serverinfo,
  repository,
  sacm,
  bytestreams,
  upload,
  vcard,
]
